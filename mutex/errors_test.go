package mutex_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

func TestTheTagOfAnErrorIsTheNameOfItsType(t *testing.T) {
	t.Parallel()
	for tag, err := range map[string]effect.Tagged{
		"LockLostError":        &mutex.LockLostError{},
		"LockNotAcquiredError": &mutex.LockNotAcquiredError{},
		"MutexBackingError":    &mutex.MutexBackingError{},
		"ConfigError":          &mutex.ConfigError{},
		"ReentrantError":       &mutex.ReentrantError{},
	} {
		assert.Equal(t, tag, err.Tag())
	}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		`lock "k" was lost (expired): its lease ran out before it could be refreshed: the store is down`: &mutex.LockLostError{Key: "k", Reason: mutex.Expired, Cause: errStore},
		`lock "k" was lost (taken): the store says that another holder has it`:                           &mutex.LockLostError{Key: "k", Reason: mutex.Taken},
		`lock "k" was lost (gone): the store does not know of it any more`:                               &mutex.LockLostError{Key: "k", Reason: mutex.Gone},
		`lock "k" was not acquired in the 3s that the retry policy allows: another holder had it`:        &mutex.LockNotAcquiredError{Key: "k", Waited: 3 * time.Second},
		`refresh of lock "k" failed: the store is down`:                                                  &mutex.MutexBackingError{Operation: "refresh", Key: "k", Cause: errStore},
	} {
		assert.EqualError(t, err, want)
	}
}

// afterALoss is the error of a lock that the store says is gone, which ends the work.
func afterALoss(t *testing.T, failed func(context.Context) error) error {
	t.Helper()
	s := newStore()
	_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), func(ctx context.Context) (int, error) {
		s.loseData()
		<-ctx.Done()
		return 0, failed(ctx)
	})(t.Context())
	requireLost(t, err, mutex.Gone)
	return err
}

func TestALossThatCancelledTheWorkIsNoCancellationOfTheCaller(t *testing.T) {
	const lost = `lock "orders" was lost (gone): the store does not know of it any more`
	each(t, map[string]struct {
		work func(context.Context) error
		want string
	}{
		"bare":            {context.Context.Err, lost},
		"interrupted":     {func(ctx context.Context) error { return effect.Interrupted(ctx, nil) }, lost},
		"it is the cause": {context.Cause, lost},
		"says more": {
			func(ctx context.Context) error { return fmt.Errorf("query: %w", ctx.Err()) },
			lost + "; the work was cancelled, and said: query: context canceled",
		},
	}, func(t *testing.T, c struct {
		work func(context.Context) error
		want string
	},
	) {
		err := afterALoss(t, c.work)
		require.EqualError(t, err, c.want)
		assert.Equal(t, "LockLostError", asA[effect.Tagged](t, err).Tag())
	})
}

func TestWhatCancelledWorkFailedWithIsFoundBesideTheLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := afterALoss(t, func(ctx context.Context) error {
			return fmt.Errorf("query: %w: %w", ctx.Err(), &effect.TimeoutError{Err: errWork})
		})
		require.ErrorIs(t, err, errWork)
		asA[*effect.TimeoutError](t, err)
	})
}

func TestTheReasonOfALossIsAskedForButNotInsistedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.on(fails, "getHolder")
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), func(ctx context.Context) (effect.Void, error) {
			s.take()
			return sleep(time.Hour)(ctx)
		})(t.Context())
		assert.ErrorIs(t, requireLost(t, err, mutex.Gone), errStore, "who has it could not be found out")
	})
}

func TestARefusalOfTheStoreIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.on(func(context.Context, *request) error { return backing.Permanent(errors.New("WRONGTYPE")) }, "tryAcquire", "release")
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), effect.Succeed(1))(t.Context())
		require.EqualError(t, err, `tryAcquire of lock "orders" failed: WRONGTYPE`)
		assert.Equal(t, 1, s.called("release"), "it is tried all the same")
	})
}
