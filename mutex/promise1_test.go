package mutex_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

// Promise 1: WithLock succeeds only if the lease was ours for as long as the work ran.

func TestPromise1_AHeldLockIsRefreshedForAsLongAsTheWorkRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), sleep(10*ttl-time.Second))(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 29, s.called("refresh"), "one each 10 s")
		s.requireFree(t)
	})
}

func TestPromise1_AFailedRefreshDoesNotLoseTheLeaseWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.refresh = func(ctx context.Context, c backing.Claim) (bool, error) {
			if s.called("refresh") <= 190 { // for 19 s of the 20 that remain
				return false, errStore
			}
			return s.real().Refresh(ctx, c)
		}
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), sleep(2*ttl))(t.Context())
		require.NoError(t, err)
	})
}

func TestPromise1_APolicyThatEndsEarlyDoesNotLoseTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.refresh = func(ctx context.Context, c backing.Claim) (bool, error) {
			if s.called("refresh") <= 1 {
				return false, errStore
			}
			return s.real().Refresh(ctx, c)
		}
		m := newMutex(t, s, mutex.Config{BackingFailureRetryPolicy: schedule.Stop()})
		_, err := mutex.WithLock(m, sleep(2*ttl))(t.Context())
		require.NoError(t, err, "the next refresh, 10 s later, is still in time")
	})
}

// A policy that would wait beyond the deadline does not: there is time for a try.
func TestPromise1_AShortOutageLosesNoLeaseWhateverThePolicy(t *testing.T) {
	for name, c := range map[string]struct {
		config mutex.Config
		outage time.Duration
	}{
		"exponential": {mutex.Config{BackingFailureRetryPolicy: schedule.Exponential(100 * time.Millisecond)}, 13 * time.Second},
		"few retries": {mutex.Config{BackingFailureRetryPolicy: schedule.Recurs(3), RefreshInterval: 20 * time.Second}, time.Second},
		"no retry":    {mutex.Config{BackingFailureRetryPolicy: schedule.Stop(), RefreshInterval: 15 * time.Second}, time.Second},
		"long delays": {mutex.Config{BackingFailureRetryPolicy: schedule.Spaced(20 * time.Second)}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				var down time.Time // since when
				s.refresh = func(ctx context.Context, claim backing.Claim) (bool, error) {
					if down.IsZero() {
						down = time.Now()
					}
					if time.Since(down) < c.outage {
						return false, errStore
					}
					return s.real().Refresh(ctx, claim)
				}
				_, err := mutex.WithLock(newMutex(t, s, c.config), sleep(2*ttl))(t.Context())
				require.NoError(t, err)
			})
		})
	}
}

func TestPromise1_WorkThatOutlivesItsLeaseHasLostIt(t *testing.T) {
	for name, refresh := range map[string]func(context.Context, backing.Claim) (bool, error){
		"the store fails":           func(context.Context, backing.Claim) (bool, error) { return false, errStore },
		"the store does not answer": func(ctx context.Context, _ backing.Claim) (bool, error) { return false, hang(ctx) },
		"the store ignores the end of the request": func(context.Context, backing.Claim) (bool, error) {
			time.Sleep(2 * ttl)
			return false, errStore
		},
		"the store says yes, but too late": func(ctx context.Context, _ backing.Claim) (bool, error) {
			time.Sleep(2 * ttl)
			return true, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				s.refresh = refresh
				work := effect.As[effect.Void](42)(deafSleep(ttl + time.Millisecond))
				a, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), work)(t.Context())
				defer time.Sleep(2 * ttl) // for the store, which may be busy still
				requireLost(t, err, mutex.Expired)
				require.Equal(t, 42, a, "the value is returned beside the error")
			})
		})
	}
}

func TestPromise1_ALossNamesWhatTheStoreLastFailedWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.refresh = func(context.Context, backing.Claim) (bool, error) { return false, errStore }
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), sleep(2*ttl))(t.Context())
		requireLost(t, err, mutex.Expired)
		lost := asLost(t, err)
		require.ErrorIs(t, lost, errStore)
		var failed *mutex.MutexBackingError
		require.NotErrorAs(t, err, &failed, "who handles failures of the store would take the loss for one")
	})
}

func TestPromise1_ARefreshThatFindsAnotherHolderOrNobody(t *testing.T) {
	for reason, happen := range map[mutex.LossReason]func(*store, *testing.T){
		mutex.Taken: (*store).take,
		mutex.Gone:  (*store).drop,
	} {
		t.Run(string(reason), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				began := time.Now()
				_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), func(ctx context.Context) (effect.Void, error) {
					happen(s, t)
					return sleep(ttl)(ctx)
				})(t.Context())
				requireLost(t, err, reason)
				assert.Equal(t, 10*time.Second, time.Since(began), "at the next refresh")

				locked, err := s.real().IsLocked(t.Context(), key)
				require.NoError(t, err)
				assert.Equal(t, reason == mutex.Taken, locked, "the key is neither taken back nor freed")
			})
		})
	}
}

func TestPromise1_AReleaseThatFindsAnotherHolderOrNobody(t *testing.T) {
	for reason, happen := range map[mutex.LossReason]func(*store, *testing.T){
		mutex.Taken: (*store).take,
		mutex.Gone:  (*store).drop,
	} {
		t.Run(string(reason), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				a, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), func(context.Context) (int, error) {
					happen(s, t)
					return 42, nil
				})(t.Context())
				requireLost(t, err, reason)
				require.Equal(t, 42, a)
				require.Zero(t, s.called("refresh"))
			})
		})
	}
}

func TestPromise1_AnInterruptedKeepAliveLosesTheLeaseAtItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := mutex.WithLock(newMutex(t, newStore(), mutex.Config{}), func(ctx context.Context) (effect.Void, error) {
			lock, _ := mutex.FromContext(ctx)
			exit, err := lock.Interrupt()(ctx)
			require.NoError(t, err)
			require.True(t, exit.IsInterruption())
			return sleep(2 * ttl)(ctx)
		})(t.Context())
		requireLost(t, err, mutex.Expired)
		require.LessOrEqual(t, time.Since(began), ttl)
	})
}

func TestPromise1_TheErrorOfTheWorkIsKeptBesideTheLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.refresh = func(context.Context, backing.Claim) (bool, error) { return false, errStore }
		errWork := errors.New("the payment was refused")
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), func(context.Context) (int, error) {
			time.Sleep(2 * ttl)
			return 0, errWork
		})(t.Context())
		requireLost(t, err, mutex.Expired)
		require.ErrorIs(t, err, errWork)
	})
}
