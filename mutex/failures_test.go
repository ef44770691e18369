package mutex_test

import (
	"context"
	"errors"
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

func TestHazard60_ATryThatIsRefusedAndCannotBeUndoneIsAnError(t *testing.T) {
	for name, try := range map[string]func(*mutex.Mutex) effect.Effect[bool]{
		"TryAcquire": acquiring["TryAcquire"], "WithLockIfAvailable": acquiring["WithLockIfAvailable"],
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStore()
			s.tryAcquire = func(context.Context, backing.Claim) (option.Option[backing.Grant], error) {
				if s.called("tryAcquire") == 1 {
					return option.None[backing.Grant](), errStore // and may yet be applied
				}
				return option.None[backing.Grant](), nil
			}
			s.release = func(context.Context, string, string) (bool, error) { return false, errStore }
			_, err := try(newMutex(t, s, mutex.Config{BackingFailureRetryPolicy: schedule.Once()}))(t.Context())
			var failed *mutex.MutexBackingError
			require.ErrorAs(t, err, &failed, name)
			assert.Equal(t, "release", failed.Operation, name)
		})
	}
}

func TestHazard60_WhatFailsBesideACancellationByALossIsAFailureOfItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		errClose := errors.New("close failed")
		lost := func(cancelled func(context.Context) error) []error {
			_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), func(ctx context.Context) (int, error) {
				s.drop(t)
				<-ctx.Done()
				return 0, cancelled(ctx)
			})(t.Context())
			requireLost(t, err, mutex.Gone)
			require.NotErrorIs(t, err, context.Canceled)
			return effect.Failures(err)
		}
		both := lost(func(ctx context.Context) error { return errors.Join(ctx.Err(), errClose, effect.Interrupted(ctx, nil)) })
		require.Len(t, both, 2)
		require.ErrorAs(t, both[0], new(*mutex.LockLostError))
		assert.Equal(t, errClose, both[1])

		both = lost(func(ctx context.Context) error { return errors.Join(errClose, effect.Interrupted(ctx, errWork)) })
		require.Len(t, both, 2)
		assert.Equal(t, errClose, both[0], "in their order")
		require.ErrorAs(t, both[1], new(*mutex.LockLostError))
		require.ErrorIs(t, both[1], errWork)
	})
}

func TestHazard63_AnEarlierLossIsHistoryForATermThatIsCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		ctx, sigterm := context.WithCancel(t.Context())
		terms := 0
		term := func(ctx context.Context) (int, error) {
			if terms++; terms == 1 {
				s.drop(t)
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
	t.Parallel()
	for name, second := range map[string]func(ctx context.Context) error{
		"that says no more":  hang,
		"that says why also": func(ctx context.Context) error { return effect.Interrupted(ctx, errors.Join(hang(ctx), errWork)) },
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStore()
			s.inspect = func(ctx context.Context) error {
				if s.called("isLocked") == 1 {
					return errStore
				}
				return second(ctx)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := newMutex(t, s, mutex.Config{}).IsLocked(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded, name)
			require.ErrorAs(t, err, new(*mutex.MutexBackingError), name)
			require.ErrorIs(t, err, errStore, name)
			assert.Equal(t, name == "that says why also", errors.Is(err, errWork), name)
		})
	}
}

func TestHazard68_ADeadlineOfTheStoresOwnIsNotTheCallers(t *testing.T) {
	t.Parallel()
	own := func() error { return errors.Join(errStore, context.DeadlineExceeded) }
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.inspect = func(context.Context) error { return own() }
		_, err := newMutex(t, s, mutex.Config{}).IsLocked(t.Context())
		require.ErrorAs(t, err, new(*mutex.MutexBackingError))
		require.ErrorIs(t, err, errStore)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
	})
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.refresh = func(context.Context, backing.Claim) (bool, error) { return false, own() }
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), sleep(time.Hour))(t.Context())
		requireLost(t, err, mutex.Expired)
		require.ErrorIs(t, err, errStore)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorAs(t, err, new(*mutex.MutexBackingError))
	})
	synctest.Test(t, func(t *testing.T) { // the question for the reason of a loss fails
		s := newStore()
		s.inspect = func(context.Context) error { return own() }
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), func(ctx context.Context) (effect.Void, error) {
			s.take(t)
			return sleep(time.Hour)(ctx)
		})(t.Context())
		requireLost(t, err, mutex.Gone)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorAs(t, err, new(*mutex.MutexBackingError), "a handler for those must not take a loss for one")
	})
	synctest.Test(t, func(t *testing.T) { // the release takes longer than a finalizer may
		s := newStore()
		s.release = func(ctx context.Context, _, _ string) (bool, error) { return false, hang(ctx) }
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), effect.Succeed(1))(t.Context())
		require.ErrorAs(t, err, new(*mutex.MutexBackingError))
		require.NotErrorIs(t, err, context.DeadlineExceeded)
	})
}
