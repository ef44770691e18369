package mutex_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

func TestHazard60_ATryThatIsRefusedAndCannotBeUndoneIsAnError(t *testing.T) {
	each(t, map[string]way{"TryAcquire": acquiring["TryAcquire"], "WithLockIfAvailable": acquiring["WithLockIfAvailable"]}, func(t *testing.T, try way) {
		s := newStore()
		s.on(func(_ context.Context, r *request) error {
			if r.n == 1 {
				return errStore // the request may yet be applied
			}
			return nil
		}, "tryAcquire")
		s.on(fails, "release")
		_, err := try(newMutex(t, s, mutex.Config{BackingFailureRetryPolicy: schedule.Once()}))(t.Context())
		requireFailed(t, err, "release")
	})
}

func TestHazard60_WhatFailsBesideACancellationByALossIsAFailureOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errClose := errors.New("close failed")
		both := effect.Failures(afterALoss(t, func(ctx context.Context) error {
			return errors.Join(ctx.Err(), errClose, effect.Interrupted(ctx, nil))
		}))
		require.Len(t, both, 2)
		requireA[*mutex.LockLostError](t, both[0])
		assert.Equal(t, errClose, both[1])

		both = effect.Failures(afterALoss(t, func(ctx context.Context) error {
			return errors.Join(errClose, effect.Interrupted(ctx, &effect.TimeoutError{Err: errWork}))
		}))
		require.Len(t, both, 2)
		assert.Equal(t, errClose, both[0], "in their order")
		requireA[*mutex.LockLostError](t, both[1])
		require.ErrorIs(t, both[1], errWork)
		requireA[*effect.TimeoutError](t, both[1])
	})
}

func TestHazard63_AnEarlierLossIsHistoryForATermThatIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		ctx, sigterm := context.WithCancel(t.Context())
		terms := 0
		term := func(ctx context.Context) (int, error) {
			if terms++; terms == 1 {
				s.loseData()
			} else {
				time.AfterFunc(time.Second, sigterm)
			}
			<-ctx.Done()
			return 0, ctx.Err()
		}
		_, err := effect.Retry[int](schedule.Spaced(time.Second))(mutex.WithLock(newMutex(t, s, mutex.Config{}), term))(ctx)
		require.Equal(t, 2, terms)
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorAs(t, err, new(*mutex.LockLostError))
		require.ErrorContains(t, err, "was lost")
	})
}

func TestHazard63_AllTriesAreOneOperation(t *testing.T) {
	type variant struct {
		second fault
		also   bool
	}
	each(t, map[string]variant{
		"the last says no more": {hangs, false},
		"the last says why also": {func(ctx context.Context, r *request) error {
			return effect.Interrupted(ctx, errors.Join(hangs(ctx, r), errWork))
		}, true},
	}, func(t *testing.T, c variant) {
		s := newStore()
		s.on(split(1, fails, c.second), "isLocked")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := newMutex(t, s, mutex.Config{}).IsLocked(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		requireFailed(t, err, "isLocked")
		require.ErrorIs(t, err, errStore)
		assert.Equal(t, c.also, errors.Is(err, errWork))
	})
}

func TestHazard68_ADeadlineOfTheStoresOwnIsNotTheCallers(t *testing.T) {
	each(t, map[string]func(*mutex.Mutex, *store) effect.Effect[effect.Void]{
		"of a question": func(m *mutex.Mutex, _ *store) effect.Effect[effect.Void] {
			return effect.Map(func(bool) (v effect.Void) { return v })(m.IsLocked)
		},
		"of a release": func(m *mutex.Mutex, _ *store) effect.Effect[effect.Void] { return mutex.WithLock(m, sleep(0)) },
		"of a refresh": func(m *mutex.Mutex, _ *store) effect.Effect[effect.Void] { return mutex.WithLock(m, sleep(time.Hour)) },
		"of the question for the reason of a loss": func(m *mutex.Mutex, s *store) effect.Effect[effect.Void] {
			s.on(nil, "refresh")
			return mutex.WithLock(m, func(ctx context.Context) (effect.Void, error) {
				s.take()
				return sleep(time.Hour)(ctx)
			})
		},
	}, func(t *testing.T, run func(*mutex.Mutex, *store) effect.Effect[effect.Void]) {
		s := newStore()
		s.on(func(context.Context, *request) error {
			return errors.Join(errStore, context.DeadlineExceeded)
		}, "isLocked", "getHolder", "refresh", "release")
		_, err := run(newMutex(t, s, mutex.Config{}), s)(t.Context())
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, errStore, "also if it says why it does not know why the lock was lost")
		if lost, ok := errors.AsType[*mutex.LockLostError](err); ok {
			requireLost(t, err, lost.Reason)
		} else {
			requireA[*mutex.MutexBackingError](t, err)
		}
	})
}

// Work that waits for the lock under which it runs would wait for itself.
func TestHazard65_WorkThatWaitsForItsOwnLockFailsAtOnce(t *testing.T) {
	each(t, map[string]way{
		"WithLock":         acquiring["WithLock"],
		"Acquire":          acquiring["Acquire"],
		"in another fiber": func(m *mutex.Mutex) effect.Effect[bool] { return effect.Race(acquiring["WithLock"](m)) },
	}, func(t *testing.T, again way) {
		s := newStore()
		outer, other := newMutex(t, s, mutex.Config{}), newMutexOf(t, s, "another", mutex.Config{})
		began := time.Now()
		// Neither another lock in between nor another Mutex of the same lock hides that.
		_, err := mutex.WithLock(outer, mutex.WithLock(other, again(newMutex(t, s, mutex.Config{TTL: time.Minute}))))(t.Context())
		assert.Equal(t, key, asA[*mutex.ReentrantError](t, err).Key)
		assert.ErrorContains(t, err, `lock "orders" is held by the work that now waits for it`)
		assert.Zero(t, time.Since(began))
	})
}

func TestHazard65_WorkThatTriesItsOwnLockFindsItHeld(t *testing.T) {
	each(t, map[string]way{"WithLockIfAvailable": acquiring["WithLockIfAvailable"], "TryAcquire": acquiring["TryAcquire"]}, func(t *testing.T, try way) {
		m := newMutex(t, newStore(), mutex.Config{})
		acquired, err := mutex.WithLock(m, try(m))(t.Context())
		require.NoError(t, err)
		assert.False(t, acquired)
	})
}

func TestHazard65_WorkWhoseLeaseHasEndedMayWaitForTheLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		m := newMutex(t, s, mutex.Config{TTL: time.Second})
		_, err := mutex.WithLock(m, func(ctx context.Context) (int, error) {
			s.loseData()
			<-ctx.Done()
			return mutex.WithLock(m, effect.Succeed(1))(context.WithoutCancel(ctx))
		})(t.Context())
		requireLost(t, err, mutex.Gone)
		assert.NotErrorAs(t, err, new(*mutex.ReentrantError))
	})
}

func TestHazard65_AFiberThatOutlivesTheWorkMayWaitForTheLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMutex(t, newStore(), mutex.Config{})
		one, err := effect.Scoped(func(s *effect.Scope) effect.Effect[int] {
			later := func(ctx context.Context) (int, error) {
				time.Sleep(time.Second)
				return mutex.WithLock(m, effect.Succeed(1))(ctx)
			}
			join := func(f *effect.Fiber[int]) effect.Effect[int] { return f.Join() }
			return effect.FlatMap(join)(mutex.WithLock(m, effect.ForkIn[int](s)(later)))
		})(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 1, one)
	})
}

func TestHazard65_WorkMayWaitForItsOwnLockUnderItsConfiguredID(t *testing.T) {
	each(t, acquiring, func(t *testing.T, again way) {
		m := newMutex(t, newStore(), mutex.Config{HolderID: "job"})
		acquired, err := mutex.WithLock(m, again(m))(t.Context())
		require.NoError(t, err)
		assert.True(t, acquired)
	})
}

// A program keeps a lock and its store in package variables, and each of its tests has a
// virtual clock of its own.
func TestHazard69_ALockIsKeptThatWasUsedInAnotherBubbleBefore(t *testing.T) {
	for name, inFirst := range map[string]bool{"used in no bubble": false, "made in the first": true} {
		t.Run(name, func(t *testing.T) {
			var m *mutex.Mutex
			create := func() { m = newMutex(t, memory.New(), mutex.Config{}) }
			if !inFirst {
				create()
				_, err := mutex.WithLock(m, effect.Succeed(1))(t.Context()) // this leaves a timer
				require.NoError(t, err)
			}
			for _, idle := range []time.Duration{0, time.Hour, 0} {
				synctest.Test(t, func(t *testing.T) {
					if m == nil {
						create()
					}
					time.Sleep(idle)
					join(t, locker(t, m, sleep(3*ttl)), locker(t, m, sleep(3*ttl)))
				})
			}
		})
	}
}
