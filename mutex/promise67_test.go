package mutex_test

import (
	"context"
	"errors"
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

func token(ctx context.Context) (uint64, error) {
	lock, ok := mutex.FromContext(ctx)
	if !ok {
		return 0, errors.New("no lock in the context of the work")
	}
	return lock.Token(), nil
}

func TestPromise6_TokensIncreaseOverReleaseAndExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		m := newMutex(t, s, mutex.Config{})
		var last uint64
		for i := range 100 {
			token, err := mutex.WithLock(m, token)(t.Context())
			require.NoError(t, err)
			require.Greater(t, token, last)
			last = token
			if i%10 == 0 {
				_, err := s.real().TryAcquire(t.Context(), backing.Claim{Key: key, Holder: "crashed", TTL: time.Second})
				require.NoError(t, err)
			}
		}
	})
}

func TestPromise6_ATokenIsThatOfTheGrantAlsoAfterRefreshes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMutex(t, newStore(), mutex.Config{})
		_, err := mutex.WithLock(m, func(ctx context.Context) (int, error) {
			before, err := token(ctx)
			require.NoError(t, err)
			time.Sleep(3 * ttl)
			after, err := token(ctx)
			require.Equal(t, before, after)
			return 0, err
		})(t.Context())
		require.NoError(t, err)
	})
}

// Promise 7: errors of the store are *MutexBackingError with the operation;
// the caller's cancellation always satisfies errors.Is.

func TestPromise7_EveryOperationNamesItselfInTheErrorOfTheStore(t *testing.T) {
	s := newStore()
	failing := func(context.Context, string, string) (bool, error) { return false, errStore }
	for operation, fail := range map[string]func(*mutex.Mutex) error{
		"tryAcquire": func(m *mutex.Mutex) error {
			s.tryAcquire = func(context.Context, backing.Claim) (option.Option[backing.Grant], error) {
				return option.None[backing.Grant](), errStore
			}
			defer func() { s.tryAcquire = nil }()
			_, err := mutex.WithLock(m, effect.Succeed(1))(t.Context())
			return err
		},
		"release": func(m *mutex.Mutex) error {
			s.release = failing
			defer func() { s.release = nil; s.loseData() }()
			_, err := mutex.WithLock(m, effect.Succeed(1))(t.Context())
			return err
		},
		"isLocked": func(m *mutex.Mutex) error {
			s.inspect = func(context.Context) error { return errStore }
			_, err := m.IsLocked(t.Context())
			return err
		},
		"getHolder": func(m *mutex.Mutex) error {
			s.inspect = func(context.Context) error { return errStore }
			_, err := m.Holder(t.Context())
			return err
		},
	} {
		t.Run(operation, func(t *testing.T) {
			m := newMutex(t, s, mutex.Config{BackingFailureRetryPolicy: schedule.Recurs(2)})
			before := s.called(operation)
			err := fail(m)
			var failed *mutex.MutexBackingError
			require.ErrorAs(t, err, &failed)
			assert.Equal(t, operation, failed.Operation)
			assert.Equal(t, key, failed.Key)
			assert.ErrorIs(t, err, errStore)
			assert.Equal(t, 3, s.called(operation)-before, "one try and two more")
			assert.Contains(t, err.Error(), operation)
		})
	}
}

func TestPromise7_TheDefaultPolicyRetriesForOneTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.inspect = func(context.Context) error { return errStore }
		began := time.Now()
		_, err := newMutex(t, s, mutex.Config{}).IsLocked(t.Context())
		require.ErrorIs(t, err, errStore)
		assert.Equal(t, ttl, time.Since(began))
		assert.Equal(t, 301, s.called("isLocked"))
	})
}

func TestPromise7_APermanentErrorIsNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.inspect = func(context.Context) error { return backing.Permanent(errStore) }
		_, err := newMutex(t, s, mutex.Config{}).IsLocked(t.Context())
		require.ErrorIs(t, err, errStore)
		assert.Equal(t, 1, s.called("isLocked"))
	})
}

func TestPromise7_TheCallersCancellationIsAlwaysFound(t *testing.T) {
	errCause := errors.New("the pod is shutting down")
	for name, prepare := range map[string]func(*testing.T, *store){
		"while it waits": func(t *testing.T, s *store) { s.take(t) },
		"while the store fails": func(_ *testing.T, s *store) {
			s.tryAcquire = func(context.Context, backing.Claim) (option.Option[backing.Grant], error) {
				return option.None[backing.Grant](), errStore
			}
		},
		"while a request is in flight": func(_ *testing.T, s *store) {
			s.tryAcquire = func(ctx context.Context, _ backing.Claim) (option.Option[backing.Grant], error) {
				return option.None[backing.Grant](), hang(ctx)
			}
		},
		"while the work runs": func(*testing.T, *store) {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				prepare(t, s)
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { cancel(errCause) })
				began := time.Now()
				exit := effect.RunExit(ctx, mutex.WithLock(newMutex(t, s, mutex.Config{}), sleep(time.Hour)))
				require.Equal(t, time.Second, time.Since(began))
				require.True(t, exit.IsInterruption())
				require.ErrorIs(t, exit.Err(), context.Canceled)
				require.ErrorIs(t, exit.Err(), errCause)
				var failed *mutex.MutexBackingError
				assert.Equal(t, name == "while the store fails", errors.As(exit.Err(), &failed), "the last failure is kept, if there was one")
			})
		})
	}
}

func TestPromise7_ALossBesideTheCallersCancellationShowsBoth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.refresh = func(context.Context, backing.Claim) (bool, error) { return false, errStore }
		ctx, cancel := context.WithCancel(t.Context())
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), func(ctx context.Context) (int, error) {
			cancel()
			time.Sleep(2 * ttl)
			return 0, ctx.Err()
		})(ctx)
		require.ErrorIs(t, err, context.Canceled)
		var lost *mutex.LockLostError
		require.ErrorAs(t, err, &lost)
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
		s.take(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), effect.Succeed(1))(ctx)
		require.EqualError(t, err, `while acquiring lock "orders": context deadline exceeded`)
	})
}

func TestPromise7_ACallerWhoLeavesAsTheStoreRefusesIsToldOfItsOwnEnd(t *testing.T) {
	eachWayToAcquire(t, func(t *testing.T, acquire func(*mutex.Mutex) effect.Effect[bool]) {
		s := newStore()
		s.take(t)
		ctx, cancel := context.WithCancel(t.Context())
		s.tryAcquire = func(asking context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
			cancel()
			return s.real().TryAcquire(context.WithoutCancel(asking), c)
		}
		_, err := acquire(newMutex(t, s, mutex.Config{AcquireRetryPolicy: schedule.Stop()}))(ctx)
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestPromise7_APolicyWithoutDelaysDoesNotFloodTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.inspect = func(context.Context) error { return errStore }
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := newMutex(t, s, mutex.Config{BackingFailureRetryPolicy: schedule.Forever()}).IsLocked(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.LessOrEqual(t, s.called("isLocked"), 1001)
	})
}
