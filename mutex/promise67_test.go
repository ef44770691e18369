package mutex_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	RR "github.com/IBM/fp-go/v2/idiomatic/context/readerresult"
	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

// Promise 6: fencing tokens strictly increase with every grant.

func TestPromise6_TokensIncreaseWithEveryGrantAndNotWithARefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		m := newMutex(t, s, mutex.Config{})
		var last uint64
		for i := range 100 {
			token, err := mutex.WithLock(m, func(ctx context.Context) (uint64, error) {
				lock, _ := mutex.FromContext(ctx)
				before := lock.Token()
				time.Sleep(ttl / 2)
				require.Equal(t, before, lock.Token())
				return before, nil
			})(t.Context())
			require.NoError(t, err)
			require.Greater(t, token, last)
			last = token
			if i%10 == 0 {
				require.True(t, s.grant("crashed", time.Second))
			}
		}
	})
}

// Promise 7: errors of the store are *MutexBackingError with the operation;
// the caller's cancellation always satisfies errors.Is.

func TestPromise7_EveryOperationNamesItselfInTheErrorOfTheStore(t *testing.T) {
	for operation, call := range map[string]way{
		"tryAcquire": acquiring["WithLock"],
		"release":    acquiring["WithLock"],
		"isLocked":   func(m *mutex.Mutex) effect.Effect[bool] { return m.IsLocked },
		"getHolder":  func(m *mutex.Mutex) effect.Effect[bool] { return effect.Map(option.IsSome[string])(m.Holder) },
	} {
		type variant struct {
			fault   fault
			policy  schedule.Schedule
			calls   int
			elapsed time.Duration
		}
		each(t, map[string]variant{
			operation + ", as the policy says":             {fails, schedule.Recurs(2), 3, 2 * time.Millisecond},
			operation + ", without delays but not at once": {fails, schedule.Forever().UpTo(time.Second), 1001, time.Second},
			operation + ", once if it is permanent":        {permanently, schedule.Schedule{}, 1, 0},
		}, func(t *testing.T, c variant) {
			s := newStore()
			s.on(c.fault, operation)
			began := time.Now()
			_, err := call(newMutex(t, s, mutex.Config{BackingFailureRetryPolicy: c.policy}))(t.Context())
			requireFailed(t, err, operation)
			require.ErrorIs(t, err, errStore)
			assert.ErrorContains(t, err, operation)
			assert.Equal(t, c.calls, s.called(operation))
			assert.Equal(t, c.elapsed, time.Since(began))
		})
	}
}

func TestPromise7_TheCallersCancellationIsAlwaysFound(t *testing.T) {
	errCause := errors.New("the pod is shutting down")
	type variant struct {
		fault  fault
		taken  bool
		failed bool // the store failed, and that error is kept
	}
	each(t, map[string]variant{
		"while it waits":               {nil, true, false},
		"while the store fails":        {fails, false, true},
		"while a request is in flight": {hangs, false, false},
		"while the work runs":          {nil, false, false},
	}, func(t *testing.T, c variant) {
		s := newStore()
		if c.taken {
			s.take()
		}
		s.on(c.fault, "tryAcquire")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errCause) })
		began := time.Now()
		exit := effect.RunExit(ctx, mutex.WithLock(newMutex(t, s, mutex.Config{}), sleep(time.Hour)))
		require.Equal(t, time.Second, time.Since(began))
		require.True(t, exit.IsInterruption())
		require.ErrorIs(t, exit.Err(), context.Canceled)
		require.ErrorIs(t, exit.Err(), errCause)
		assert.Equal(t, !strings.HasSuffix(t.Name(), "runs"), strings.Contains(exit.Err().Error(), `while acquiring lock "orders": `))
		assert.Equal(t, c.failed, errors.As(exit.Err(), new(*mutex.MutexBackingError)))
	})
}

// fp-go's operators fail with only the cause of a cancelled context.
func TestPromise7_TheCallersCancellationIsFoundThroughOperatorsOfFpGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errCause := errors.New("the pod is shutting down")
		ctx, cancel := context.WithCancelCause(t.Context())
		work := RR.Chain(func(int) effect.Effect[int] { return effect.Succeed(2) })(func(context.Context) (int, error) {
			cancel(errCause)
			return 1, nil
		})
		_, err := mutex.WithLock(newMutex(t, newStore(), mutex.Config{}), work)(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, errCause)
	})
}

func TestPromise7_ACallerWhoLeavesAsTheStoreRefusesGetsTheErrorOfItsContext(t *testing.T) {
	each(t, acquiring, func(t *testing.T, acquire way) {
		s := newStore()
		s.take()
		ctx, cancel := context.WithCancel(t.Context())
		s.on(func(ctx context.Context, r *request) error {
			cancel()
			return r.send(context.WithoutCancel(ctx))
		}, "tryAcquire")
		_, err := acquire(newMutex(t, s, mutex.Config{AcquireRetryPolicy: schedule.Stop()}))(ctx)
		require.ErrorIs(t, err, context.Canceled)
	})
}

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
		`lock "k" was lost (expired): its lease ran out before it could be refreshed: the store is down; another holder may have worked at the same time: check the result`: &mutex.LockLostError{Key: "k", Reason: mutex.Expired, Cause: errStore},
		`lock "k" was lost (taken): another holder has it; another holder may have worked at the same time: check the result`:                                               &mutex.LockLostError{Key: "k", Reason: mutex.Taken},
		`lock "k" was lost (gone): its key is no longer in the store, or somebody else released it; another holder may have worked at the same time: check the result`:      &mutex.LockLostError{Key: "k", Reason: mutex.Gone},
		`lock "k" was not acquired within 3s: another holder has it; try again later, or wait longer`:                                                                       &mutex.LockNotAcquiredError{Key: "k", Waited: 3 * time.Second},
		`release of lock "k" failed: the store is down; others get the lock when its lease ends`:                                                                            &mutex.MutexBackingError{Operation: "release", Key: "k", Cause: errStore},
		`refresh of lock "k" failed: the store is down`: &mutex.MutexBackingError{Operation: "refresh", Key: "k", Cause: errStore},
	} {
		assert.EqualError(t, err, want)
	}
}

// afterALoss returns the error of a lock whose work ends because the store says it is gone.
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
	const lost = `lock "orders" was lost (gone): its key is no longer in the store, or somebody else released it`
	const advice = "; another holder may have worked at the same time: check the result"
	type variant struct {
		work func(context.Context) error
		want string
	}
	each(t, map[string]variant{
		"bare":            {context.Context.Err, lost + advice},
		"interrupted":     {func(ctx context.Context) error { return effect.Interrupted(ctx, nil) }, lost + advice},
		"it is the cause": {context.Cause, lost + advice},
		"says more": {
			func(ctx context.Context) error { return fmt.Errorf("query: %w", ctx.Err()) },
			lost + "; the work was cancelled and returned: query: context canceled" + advice,
		},
	}, func(t *testing.T, c variant) {
		err := afterALoss(t, c.work)
		require.EqualError(t, err, c.want)
		assert.Equal(t, "LockLostError", asA[effect.Tagged](t, err).Tag())
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
