package mutex_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
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

func TestLeasesRefreshedTogetherAreLostOnTimeThoughTheStoreHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		hung := make(chan struct{})
		setHook(s, &s.refreshAll, func(_ context.Context, claims []backing.Claim) []backing.Refreshed {
			<-hung
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
			close(hung)
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

func TestARefreshThatFailsIsRepeatedAsThePolicySaysFromItsBeginning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		last := time.Now()
		var waits []time.Duration
		s.refresh = func(ctx context.Context, c backing.Claim) (bool, error) {
			waits, last = append(waits, time.Since(last)), time.Now()
			if n := len(waits); n == 4 || n > 5 {
				return s.real().Refresh(ctx, c)
			}
			return false, errStore
		}
		m := newMutex(t, s, mutex.Config{BackingFailureRetryPolicy: schedule.Exponential(time.Second)})
		_, err := mutex.WithLock(m, sleep(30*time.Second))(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []time.Duration{10 * time.Second, time.Second, 2 * time.Second, 4 * time.Second, 10 * time.Second, time.Second}, waits)
	})
}
