package mutex_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

func TestHazard60_ATryThatIsRefusedAndCannotBeUndoneIsAnError(t *testing.T) {
	each(t, map[string]way{"TryAcquire": acquiring["TryAcquire"], "WithLockIfAvailable": acquiring["WithLockIfAvailable"]}, func(t *testing.T, try way) {
		s := newStore()
		s.on(func(_ context.Context, r *request) error {
			if r.n == 1 {
				return errStore // and may yet be applied
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
		asA[*mutex.LockLostError](t, both[0])
		assert.Equal(t, errClose, both[1])

		both = effect.Failures(afterALoss(t, func(ctx context.Context) error {
			return errors.Join(errClose, effect.Interrupted(ctx, errWork))
		}))
		require.Len(t, both, 2)
		assert.Equal(t, errClose, both[0], "in their order")
		asA[*mutex.LockLostError](t, both[1])
		require.ErrorIs(t, both[1], errWork)
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
	each(t, map[string]struct {
		second fault
		also   bool
	}{
		"the last says no more": {hangs, false},
		"the last says why also": {func(ctx context.Context, r *request) error {
			return effect.Interrupted(ctx, errors.Join(hangs(ctx, r), errWork))
		}, true},
	}, func(t *testing.T, c struct {
		second fault
		also   bool
	},
	) {
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
			return func(ctx context.Context) (v effect.Void, err error) { _, err = m.IsLocked(ctx); return v, err }
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
		if lost, ok := errors.AsType[*mutex.LockLostError](err); ok {
			requireLost(t, err, lost.Reason)
		} else {
			asA[*mutex.MutexBackingError](t, err)
		}
	})
}
