package mutex_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	RR "github.com/IBM/fp-go/v2/idiomatic/context/readerresult"
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
	lock := func(ctx context.Context, m *mutex.Mutex) error {
		_, err := mutex.WithLock(m, effect.Succeed(1))(ctx)
		return err
	}
	for operation, call := range map[string]func(context.Context, *mutex.Mutex) error{
		"tryAcquire": lock,
		"release":    lock,
		"isLocked":   func(ctx context.Context, m *mutex.Mutex) error { _, err := m.IsLocked(ctx); return err },
		"getHolder":  func(ctx context.Context, m *mutex.Mutex) error { _, err := m.Holder(ctx); return err },
	} {
		each(t, map[string]struct {
			fault   fault
			policy  schedule.Schedule
			calls   int
			elapsed time.Duration
		}{
			operation + ", as the policy says":             {fails, schedule.Recurs(2), 3, 2 * time.Millisecond},
			operation + ", without delays but not at once": {fails, schedule.Forever().UpTo(time.Second), 1001, time.Second},
			operation + ", once if it is permanent": {func(context.Context, *request) error {
				return backing.Permanent(errStore)
			}, schedule.Schedule{}, 1, 0},
		}, func(t *testing.T, c struct {
			fault   fault
			policy  schedule.Schedule
			calls   int
			elapsed time.Duration
		},
		) {
			s := newStore()
			s.on(c.fault, operation)
			began := time.Now()
			err := call(t.Context(), newMutex(t, s, mutex.Config{BackingFailureRetryPolicy: c.policy}))
			requireFailed(t, err, operation)
			require.ErrorIs(t, err, errStore)
			assert.ErrorContains(t, err, operation)
			assert.Equal(t, c.calls, s.called(operation))
			assert.Equal(t, c.elapsed, time.Since(began))
		})
	}
}

func TestPromise7_TheDefaultPolicyRetriesForOneTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.on(fails, "isLocked")
		began := time.Now()
		_, err := newMutex(t, s, mutex.Config{}).IsLocked(t.Context())
		require.ErrorIs(t, err, errStore)
		assert.Equal(t, ttl, time.Since(began))
		assert.Equal(t, 301, s.called("isLocked"))
	})
}

func TestPromise7_TheCallersCancellationIsAlwaysFound(t *testing.T) {
	errCause := errors.New("the pod is shutting down")
	each(t, map[string]struct {
		fault  fault
		taken  bool
		failed bool // there was a failure of the store, which is kept
	}{
		"while it waits":               {nil, true, false},
		"while the store fails":        {fails, false, true},
		"while a request is in flight": {hangs, false, false},
		"while the work runs":          {nil, false, false},
	}, func(t *testing.T, c struct {
		fault  fault
		taken  bool
		failed bool
	},
	) {
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
		assert.Equal(t, c.failed, errors.As(exit.Err(), new(*mutex.MutexBackingError)))
	})
}

// fp-go's operators fail with the cause of a cancelled context alone.
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

func TestPromise7_AnAcquireThatIsCancelledNamesTheLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.take()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), effect.Succeed(1))(ctx)
		require.EqualError(t, err, `while acquiring lock "orders": context deadline exceeded`)
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
