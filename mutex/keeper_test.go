package mutex_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// holdMany holds n locks in one scope, and runs then in it. It yields what the
// scope failed with.
func holdMany(t *testing.T, s *queued, n int, c mutex.Config, then func(context.Context, []*mutex.KeepAlive)) error {
	t.Helper()
	_, err := effect.Scoped(func(scope *effect.Scope) effect.Effect[effect.Void] {
		return func(ctx context.Context) (none effect.Void, err error) {
			locks := make([]*mutex.KeepAlive, n)
			for i := range locks {
				m, err := mutex.New(s, fmt.Sprint("lock ", i), c)
				require.NoError(t, err)
				if locks[i], err = m.Acquire(scope)(ctx); err != nil {
					return none, err
				}
			}
			then(ctx, locks)
			return none, nil
		}
	})(t.Context())
	return err
}

//nolint:paralleltest // it counts goroutines
func TestLeasesThatAreDueTogetherAreRefreshedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		const n = 1000
		err := holdMany(t, s, n, mutex.Config{}, func(context.Context, []*mutex.KeepAlive) {
			before := runtime.NumGoroutine()
			time.Sleep(10*time.Minute + time.Second)
			assert.Equal(t, 60*n/250, s.called("refreshAll"))
			assert.Zero(t, s.called("refresh"))
			assert.LessOrEqual(t, runtime.NumGoroutine(), before+n/10, "held locks are no goroutines")
		})
		require.NoError(t, err)
	})
}

func TestLeasesThatAreDueApartAreRefreshedApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		_, err := effect.Scoped(func(scope *effect.Scope) effect.Effect[effect.Void] {
			return func(ctx context.Context) (none effect.Void, err error) {
				for i, c := range []mutex.Config{{}, {TTL: 3 * time.Second}, {}, {RefreshInterval: 25 * time.Second}} {
					m, err := mutex.New(s, fmt.Sprint("lock ", i), c)
					require.NoError(t, err)
					_, err = m.Acquire(scope)(ctx)
					require.NoError(t, err)
					time.Sleep(4 * time.Second)
				}
				time.Sleep(time.Minute)
				return none, nil
			}
		})(t.Context())
		require.NoError(t, err)
		// 76, 72, 68 and 64 s, of which the work took the last minute.
		assert.InDelta(t, 7+71+6+2, s.called("refresh"), 1)
	})
}

func TestALeaseThatIsGoneIsLostAloneAmongThoseRefreshedWithIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		err := holdMany(t, s, 100, mutex.Config{}, func(ctx context.Context, locks []*mutex.KeepAlive) {
			_, err := s.real().Release(ctx, locks[42].Key(), locks[42].HolderID())
			require.NoError(t, err)
			time.Sleep(time.Minute)
			for i, lock := range locks {
				assert.Equal(t, i == 42, option.IsSome(lock.Poll()), "lock %d", i)
			}
		})
		lost := asLost(t, err)
		assert.Equal(t, "lock 42", lost.Key)
		assert.Equal(t, mutex.Gone, lost.Reason)
	})
}

func TestARefreshOfManyThatFailsIsRepeatedForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		began := time.Now()
		setHook(s, &s.refreshAll, func(ctx context.Context, claims []backing.Claim) []backing.Refreshed {
			if since := time.Since(began); since > 5*time.Second && since < 25*time.Second {
				all := make([]backing.Refreshed, len(claims))
				for i := range all {
					all[i].Err = errStore
				}
				return all
			}
			return s.real().RefreshAll(ctx, claims)
		})
		var mu sync.Mutex
		failures := 0
		c := mutex.Config{Observer: func(e mutex.Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.Kind == mutex.BackingFailed {
				failures++
				assert.ErrorIs(t, e.Err, errStore)
				assert.NotEmpty(t, e.Key)
			}
		}}
		err := holdMany(t, s, 100, c, func(context.Context, []*mutex.KeepAlive) { time.Sleep(5 * time.Minute) })
		require.NoError(t, err)
		assert.Greater(t, failures, 100*100, "each 100 ms for 15 s")
	})
}

func TestLeasesRefreshedTogetherAreLostOnTimeThoughTheStoreIsDeaf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		deaf := make(chan struct{})
		setHook(s, &s.refreshAll, func(_ context.Context, claims []backing.Claim) []backing.Refreshed {
			<-deaf
			all := make([]backing.Refreshed, len(claims))
			for i := range all {
				all[i].Held = true // too late
			}
			return all
		})
		lost := make(chan time.Time, 100)
		began := time.Now()
		err := holdMany(t, s, 100, mutex.Config{Observer: func(e mutex.Event) {
			if e.Kind == mutex.Lost {
				lost <- time.Now()
			}
		}}, func(context.Context, []*mutex.KeepAlive) {
			for range 100 {
				assert.Less(t, (<-lost).Sub(began), ttl)
			}
			close(deaf)
		})
		requireExpired(t, err)
	})
}

func requireExpired(t *testing.T, err error) {
	t.Helper()
	require.Equal(t, mutex.Expired, asLost(t, err).Reason)
}

// One that lets go while it is being refreshed with others waits for the
// answer, and the others have it, too. One that is refreshed alone cuts it short.
func TestALockIsLetGoOnlyWhenItsRefreshHasEnded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		locks int
		wait  time.Duration
	}{"with others": {2, time.Second}, "alone": {1, 0}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newQueued()
				inFlight := make(chan struct{}, 10)
				setHook(s, &s.refreshAll, func(ctx context.Context, claims []backing.Claim) []backing.Refreshed {
					inFlight <- struct{}{}
					time.Sleep(time.Second)
					if ctx.Err() != nil {
						t.Error("cancelled, though one of them is still held")
					}
					return s.real().RefreshAll(ctx, claims)
				})
				s.refresh = func(ctx context.Context, c backing.Claim) (bool, error) {
					inFlight <- struct{}{}
					return false, hang(ctx)
				}
				err := holdMany(t, s, c.locks, mutex.Config{}, func(ctx context.Context, locks []*mutex.KeepAlive) {
					<-inFlight
					began := time.Now()
					exit, err := locks[0].Interrupt()(ctx)
					require.NoError(t, err)
					assert.True(t, exit.IsInterruption())
					assert.Equal(t, c.wait, time.Since(began))
				})
				require.NoError(t, err)
			})
		})
	}
}

func TestALockThatIsNoLongerRefreshedExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		began := time.Now()
		expired := make(chan time.Duration, 1)
		err := holdMany(t, s, 2, mutex.Config{Observer: func(e mutex.Event) {
			if e.Kind == mutex.Lost {
				expired <- time.Since(began)
			}
		}}, func(ctx context.Context, locks []*mutex.KeepAlive) {
			time.Sleep(time.Second)
			_, err := locks[1].Interrupt()(ctx)
			require.NoError(t, err)
			time.Sleep(time.Minute)
		})
		requireExpired(t, err)
		after := <-expired
		assert.Less(t, after, ttl)
		assert.Greater(t, after, ttl*98/100)
	})
}
