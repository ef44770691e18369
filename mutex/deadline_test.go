package mutex_test

import (
	"context"
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
)

// untilCancelled is work that ends with its context, and says when that was.
func untilCancelled(at chan<- time.Time) effect.Effect[effect.Void] {
	return func(ctx context.Context) (effect.Void, error) {
		<-ctx.Done()
		at <- time.Now()
		return effect.Void{}, ctx.Err()
	}
}

// The store says that the lock is somebody else's, and then nothing more.
func TestTheDeadlineHoldsAlsoWhileTheReasonOfALossIsSought(t *testing.T) {
	t.Parallel()
	for name, seek := range map[string]func(context.Context) error{
		"from a store that heeds the end of a request": hang,
		"from one that is deaf":                        func(context.Context) error { time.Sleep(time.Minute); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				const ttl = 100 * time.Millisecond
				s.inspect = seek
				s.refresh = func(context.Context, backing.Claim) (bool, error) { return false, nil }
				cancelled, began := make(chan time.Time, 1), time.Now()
				m := newMutex(t, s, mutex.Config{TTL: ttl, RefreshInterval: 80 * time.Millisecond})
				_, err := mutex.WithLock(m, untilCancelled(cancelled))(t.Context())
				defer time.Sleep(time.Minute) // for the store, which may be busy still
				require.Error(t, asLost(t, err))
				assert.LessOrEqual(t, (<-cancelled).Sub(began), ttl)
			})
		})
	}
}

func TestAStoreThatPanicsWhenAskedForTheReasonOfALossEndsNoProcess(t *testing.T) {
	t.Parallel()
	for name, seek := range map[string]func(context.Context) error{
		"panics":             func(context.Context) error { panic(errStore) },
		"ends the goroutine": func(context.Context) error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				s.inspect = seek
				s.refresh = func(context.Context, backing.Claim) (bool, error) { return false, nil }
				began := time.Now()
				_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), func(ctx context.Context) (int, error) {
					<-ctx.Done()
					return 1, nil
				})(t.Context())
				requireLost(t, err, mutex.Gone)
				assert.Equal(t, ttl/3, time.Since(began), "at the first refresh")
			})
		})
	}
}

// Somebody of the process takes a lock whose lease has expired, beside the first
// in line, which is in the queue; and then the store loses its data.
func TestAQueuedWaiterGoesOnAskingWhenItsProcessHasLostTheLock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		_, err := s.real().TryAcquire(t.Context(), backing.Claim{Key: key, Holder: "crashed", TTL: 10 * time.Second})
		require.NoError(t, err)
		setHook(s, &s.enqueue, func(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
			outcome, err := s.real().Enqueue(ctx, w)
			if queued, ok := outcome.(backing.Queued); ok {
				outcome = backing.Queued{AskAgain: queued.AskAgain + 2*time.Millisecond}
			}
			return outcome, err
		})
		m := newMutex(t, s, mutex.Config{})
		waiter := locker(t, m, sleep(0))
		time.Sleep(10*time.Second + time.Millisecond)
		_, err = mutex.WithLockIfAvailable(m, func(ctx context.Context) (effect.Void, error) {
			time.Sleep(time.Second)
			s.loseData()
			<-ctx.Done()
			return effect.Void{}, ctx.Err()
		})(t.Context())
		require.Error(t, asLost(t, err))
		bounded, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = waiter.Join()(bounded)
		require.NoError(t, err)
	})
}

func TestAPanicOfAHandoverFailsTheReleaseAndNotTheLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		m := newMutex(t, s, mutex.Config{TTL: 10 * time.Second})
		holder := locker(t, m, sleep(time.Second))
		arrived()
		next := locker(t, m, sleep(0))
		arrived()
		setHook(s, &s.pass, func(context.Context, backing.Claim, backing.Waiter, bool) (backing.Outcome, error) {
			panic("boom")
		})
		exit, err := holder.Await()(t.Context())
		require.NoError(t, err)
		assert.True(t, exit.IsDefect(), "%v", exit.Err())
		bounded, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_, err = next.Join()(bounded)
		require.NoError(t, err, "it has the lock when the lease ends")
	})
}

func TestAStoreThatPanicsOrMiscountsInARefreshLosesNothingByThat(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		locks int
		fault func() []backing.Refreshed
	}{
		"a panic":          {2, func() []backing.Refreshed { panic("boom") }},
		"too few answers":  {2, func() []backing.Refreshed { return nil }},
		"too many answers": {2, func() []backing.Refreshed { return make([]backing.Refreshed, 3) }},
		"a panic, alone":   {1, func() []backing.Refreshed { panic("boom") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newQueued()
				bad := func() bool { return s.called("refresh")+s.called("refreshAll") < 5 }
				setHook(s, &s.refreshAll, func(ctx context.Context, claims []backing.Claim) []backing.Refreshed {
					if bad() {
						return c.fault()
					}
					return s.real().RefreshAll(ctx, claims)
				})
				s.refresh = func(ctx context.Context, claim backing.Claim) (bool, error) {
					if bad() {
						c.fault()
					}
					return s.real().Refresh(ctx, claim)
				}
				failures := make(chan mutex.Event, 100)
				require.NoError(t, holdMany(t, s, c.locks, mutex.Config{Observer: func(e mutex.Event) {
					if e.Kind == mutex.BackingFailed {
						failures <- e
					}
				}}, func(context.Context, []*mutex.KeepAlive) { time.Sleep(time.Minute) }))
				assert.NotEmpty(t, failures)
			})
		})
	}
}

func TestALockThatIsPassedOnForOneWhoLeftAndCannotBeIsReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		failed := make(chan mutex.Event, 10)
		m := newMutex(t, s, mutex.Config{Observer: func(e mutex.Event) {
			if e.Kind == mutex.ReleaseFailed {
				failed <- e
			}
		}})
		holder := locker(t, m, sleep(time.Second))
		arrived()
		leave, _ := leaver(t, m)
		arrived()
		setHook(s, &s.pass, func(ctx context.Context, from backing.Claim, to backing.Waiter, yield bool) (backing.Outcome, error) {
			outcome, err := s.real().Pass(ctx, from, to, yield)
			leave()
			return outcome, err
		})
		setHook(s, &s.releaseClaim, func(context.Context, backing.Claim) (backing.Released, error) { return backing.NotHeld, errStore })
		join(t, holder)
		require.NotEmpty(t, failed)
		e := <-failed
		require.ErrorIs(t, e.Err, errStore)
		holding, err := s.real().GetHolder(t.Context(), key)
		require.NoError(t, err)
		assert.Equal(t, option.Some(e.Holder), holding)
	})
}
