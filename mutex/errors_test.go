package mutex_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
		`lock "k" was lost (gone): the store does not know of it any more`:                               &mutex.LockLostError{Key: "k", Reason: mutex.Gone},
		`lock "k" was not acquired in the 3s that the retry policy allows: another holder had it`:        &mutex.LockNotAcquiredError{Key: "k", Waited: 3 * time.Second},
		`refresh of lock "k" failed: the store is down`:                                                  &mutex.MutexBackingError{Operation: "refresh", Key: "k", Cause: errStore},
	} {
		assert.EqualError(t, err, want)
	}
}

func TestALossThatCancelledTheWorkIsNoCancellationOfTheCaller(t *testing.T) {
	const lost = `lock "orders" was lost (gone): the store does not know of it any more`
	for name, test := range map[string]struct {
		work func(context.Context) error
		want string
	}{
		"bare":        {context.Context.Err, lost},
		"interrupted": {func(ctx context.Context) error { return effect.Interrupted(ctx, nil) }, lost},
		"says more": {
			func(ctx context.Context) error { return fmt.Errorf("query: %w", ctx.Err()) },
			lost + "; the work was cancelled, and said: query: context canceled",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), func(ctx context.Context) (int, error) {
					s.drop(t)
					<-ctx.Done()
					return 0, test.work(ctx)
				})(t.Context())
				requireLost(t, err, mutex.Gone)
				require.EqualError(t, err, test.want)
				var tagged effect.Tagged
				require.ErrorAs(t, err, &tagged)
				assert.Equal(t, "LockLostError", tagged.Tag())
			})
		})
	}
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

func TestARefusalOfTheStoreIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		wrongType := backing.Permanent(errors.New("WRONGTYPE"))
		s.tryAcquire = func(context.Context, backing.Claim) (option.Option[backing.Grant], error) {
			return option.None[backing.Grant](), wrongType
		}
		s.release = func(context.Context, string, string) (bool, error) { return false, wrongType }
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), effect.Succeed(1))(t.Context())
		require.EqualError(t, err, `tryAcquire of lock "orders" failed: WRONGTYPE`)
		assert.Equal(t, 1, s.called("release"), "it is tried all the same")
	})
}

func TestWhatCancelledWorkFailedWithIsFoundBesideTheLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), func(ctx context.Context) (int, error) {
			s.drop(t)
			<-ctx.Done()
			return 0, errors.Join(ctx.Err(), &effect.TimeoutError{Err: errWork})
		})(t.Context())
		requireLost(t, err, mutex.Gone)
		require.ErrorIs(t, err, errWork)
		var timeout *effect.TimeoutError
		require.ErrorAs(t, err, &timeout)
	})
}
