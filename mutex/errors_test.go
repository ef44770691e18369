package mutex_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
	} {
		assert.Equal(t, tag, err.Tag())
	}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		`lock "k" was lost (expired): its lease ran out before it could be refreshed: the store is down`: &mutex.LockLostError{Key: "k", Reason: mutex.Expired, Cause: errStore},
		`lock "k" was lost (taken): the store says that another holder has it`:                           &mutex.LockLostError{Key: "k", Reason: mutex.Taken},
		`lock "k" was lost (gone): the store says that nobody has it`:                                    &mutex.LockLostError{Key: "k", Reason: mutex.Gone},
		`lock "k" was not acquired: others had it for the 3s that the retry policy allows`:               &mutex.LockNotAcquiredError{Key: "k", Waited: 3 * time.Second},
		`the store failed to answer refresh of lock "k": the store is down`:                              &mutex.MutexBackingError{Operation: "refresh", Key: "k", Cause: errStore},
	} {
		assert.EqualError(t, err, want)
	}
}

func TestALossThatCancelledTheWorkIsNoCancellationOfTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), func(ctx context.Context) (effect.Void, error) {
			s.drop(t)
			return sleep(time.Hour)(ctx)
		})(t.Context())
		requireLost(t, err, mutex.Gone)
		assert.Contains(t, err.Error(), "the work was cancelled: context canceled: the lock was lost", "what the work said is kept")
		var tagged effect.Tagged
		require.ErrorAs(t, err, &tagged)
		assert.Equal(t, "LockLostError", tagged.Tag())
	})
}

func TestALossIsToldOnceThoughTheWorkTellsItToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), func(ctx context.Context) (int, error) {
			s.drop(t)
			<-ctx.Done()
			return 0, context.Cause(ctx)
		})(t.Context())
		requireLost(t, err, mutex.Gone)
		assert.Equal(t, 1, strings.Count(err.Error(), "was lost"), err)
	})
}

func TestTheReasonOfALossIsAskedForButNotInsistedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.inspect = func(context.Context) error { return errStore }
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), func(ctx context.Context) (effect.Void, error) {
			s.take(t)
			return sleep(time.Hour)(ctx)
		})(t.Context())
		requireLost(t, err, mutex.Gone)
		lost := asLost(t, err)
		assert.ErrorIs(t, lost, errStore, "who has it could not be found out")
	})
}
