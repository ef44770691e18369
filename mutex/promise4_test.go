package mutex_test

import (
	"context"
	"errors"
	"sync/atomic"
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

// Promise 4: an acquire that ends without the lock leaves none behind.

// acquiring are the ways to acquire; the work is never reached where they fail.
var acquiring = map[string]func(*mutex.Mutex) effect.Effect[bool]{
	"WithLock": func(m *mutex.Mutex) effect.Effect[bool] {
		return mutex.WithLock(m, effect.Succeed(true))
	},
	"WithLockIfAvailable": func(m *mutex.Mutex) effect.Effect[bool] {
		return effect.Map(option.IsSome[bool])(mutex.WithLockIfAvailable(m, effect.Succeed(true)))
	},
	"Acquire": func(m *mutex.Mutex) effect.Effect[bool] {
		return effect.Scoped(func(s *effect.Scope) effect.Effect[bool] {
			return effect.As[*mutex.KeepAlive](true)(m.Acquire(s))
		})
	},
	"TryAcquire": func(m *mutex.Mutex) effect.Effect[bool] {
		return effect.Scoped(func(s *effect.Scope) effect.Effect[bool] {
			return effect.Map(option.IsSome[*mutex.KeepAlive])(m.TryAcquire(s))
		})
	},
}

func eachWayToAcquire(t *testing.T, test func(t *testing.T, acquire func(*mutex.Mutex) effect.Effect[bool])) {
	for name, acquire := range acquiring {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, acquire) })
		})
	}
}

func TestPromise4_AnAcquireThatIsCancelledInFlightLeavesNoLock(t *testing.T) {
	eachWayToAcquire(t, func(t *testing.T, acquire func(*mutex.Mutex) effect.Effect[bool]) {
		s := newStore()
		s.tryAcquire = func(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
			grant, err := s.real().TryAcquire(ctx, c) // applied, but the reply is lost
			require.True(t, option.IsSome(grant))
			require.NoError(t, err)
			return option.None[backing.Grant](), hang(ctx)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := acquire(newMutex(t, s, mutex.Config{}))(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(began))
		s.requireFree(t)
	})
}

func TestPromise4_AGrantToACallerWhoHasLeftIsGivenBack(t *testing.T) {
	eachWayToAcquire(t, func(t *testing.T, acquire func(*mutex.Mutex) effect.Effect[bool]) {
		s := newStore()
		ctx, cancel := context.WithCancel(t.Context())
		s.tryAcquire = func(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
			grant, err := s.real().TryAcquire(ctx, c)
			cancel()
			return grant, err
		}
		_, err := acquire(newMutex(t, s, mutex.Config{}))(ctx)
		require.ErrorIs(t, err, context.Canceled)
		s.requireFree(t)
	})
}

func TestPromise4_NothingIsSentForACallerWhoLeftBefore(t *testing.T) {
	eachWayToAcquire(t, func(t *testing.T, acquire func(*mutex.Mutex) effect.Effect[bool]) {
		s := newStore()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := acquire(newMutex(t, s, mutex.Config{}))(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, s.calls)
	})
}

func TestPromise4_ALostReplyIsRecognizedByTheNextTry(t *testing.T) {
	eachWayToAcquire(t, func(t *testing.T, acquire func(*mutex.Mutex) effect.Effect[bool]) {
		s := newStore()
		s.tryAcquire = func(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
			grant, err := s.real().TryAcquire(ctx, c)
			if s.called("tryAcquire") == 1 {
				return option.None[backing.Grant](), hang(ctx)
			}
			return grant, err
		}
		acquired, err := acquire(newMutex(t, s, mutex.Config{}))(t.Context())
		require.NoError(t, err)
		require.True(t, acquired)
		require.Equal(t, 2, s.called("tryAcquire"))
		s.requireFree(t)
	})
}

func TestPromise4_AStoreThatFailsAfterApplyingLeavesNoLock(t *testing.T) {
	eachWayToAcquire(t, func(t *testing.T, acquire func(*mutex.Mutex) effect.Effect[bool]) {
		s := newStore()
		s.tryAcquire = func(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
			_, err := s.real().TryAcquire(ctx, c)
			return option.None[backing.Grant](), errors.Join(err, errStore)
		}
		_, err := acquire(newMutex(t, s, mutex.Config{}))(t.Context())
		require.ErrorIs(t, err, errStore)
		s.requireFree(t)
	})
}

func TestPromise4_AGrantThatComesTooLateIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.tryAcquire = func(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
			grant, err := s.real().TryAcquire(ctx, c)
			time.Sleep(c.TTL) // the store ignores the end of the request
			return grant, err
		}
		m := newMutex(t, s, mutex.Config{TTL: time.Second, BackingFailureRetryPolicy: schedule.Stop()})
		_, err := mutex.WithLockIfAvailable(m, effect.Succeed(42))(t.Context())
		var timeout *effect.TimeoutError
		require.ErrorAs(t, err, &timeout)
		s.requireFree(t)
	})
}

func TestPromise4_AWaiterWhoGivesUpLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.take(t)
		m := newMutex(t, s, mutex.Config{AcquireRetryPolicy: schedule.Spaced(time.Second).Intersect(schedule.Recurs(3))})
		began := time.Now()
		_, err := mutex.WithLock(m, effect.Succeed(42))(t.Context())
		var refused *mutex.LockNotAcquiredError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, 3*time.Second, time.Since(began))
		assert.Equal(t, 3*time.Second, refused.Waited)
		assert.Equal(t, key, refused.Key)
		assert.Equal(t, 4, s.called("tryAcquire"))

		holder, err := m.Holder(t.Context())
		require.NoError(t, err)
		assert.Equal(t, option.Some("somebody else"), holder)
	})
}

func TestPromise4_AScopeThatHasClosedHoldsNoLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		m := newMutex(t, s, mutex.Config{})
		var closed *effect.Scope
		_, err := effect.Scoped(func(scope *effect.Scope) effect.Effect[int] {
			closed = scope
			return effect.Succeed(1)
		})(t.Context())
		require.NoError(t, err)
		_, err = m.Acquire(closed)(t.Context())
		require.ErrorIs(t, err, effect.ErrScopeClosed)
		s.requireFree(t)
	})
}

func TestPromise4_APanicDuringTheAcquireLeavesNoLock(t *testing.T) {
	granting := func(s *store) func(context.Context, backing.Claim) error {
		return func(ctx context.Context, c backing.Claim) error {
			grant, err := s.real().TryAcquire(ctx, c)
			if option.IsNone(grant) {
				return errors.New("not granted")
			}
			return err
		}
	}
	for name, prepare := range map[string]func(*store) mutex.Config{
		"of the store": func(s *store) mutex.Config {
			s.tryAcquire = func(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
				_ = granting(s)(ctx, c)
				panic("boom")
			}
			return mutex.Config{}
		},
		"of the policy": func(s *store) mutex.Config {
			s.tryAcquire = func(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
				return option.None[backing.Grant](), errors.Join(errStore, granting(s)(ctx, c))
			}
			return mutex.Config{BackingFailureRetryPolicy: schedule.Forever().WhileError(func(error) bool { panic("boom") })}
		},
		"of the observer": func(*store) mutex.Config {
			return mutex.Config{Observer: func(e mutex.Event) {
				if e.Kind == mutex.Acquired {
					panic("boom")
				}
			}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				m := newMutex(t, s, prepare(s))
				require.PanicsWithValue(t, "boom", func() {
					_, _ = mutex.WithLock(m, effect.Succeed(1))(t.Context())
				})
				s.requireFree(t)
			})
		})
	}
}

// slowContext takes a minute to say whether it has ended, once.
type slowContext struct {
	context.Context
	slow *atomic.Bool
}

func (c slowContext) Err() error {
	if c.slow.CompareAndSwap(true, false) {
		time.Sleep(time.Minute)
	}
	return c.Context.Err()
}

func TestPromise4_ATryWhoseGrantHasEndedYieldsNoneAndLeavesNoLock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		var slow atomic.Bool
		s.tryAcquire = func(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
			defer slow.Store(true)
			return s.real().TryAcquire(ctx, c)
		}
		ran, err := mutex.WithLockIfAvailable(newMutex(t, s, mutex.Config{}), effect.Succeed(1))(slowContext{t.Context(), &slow})
		require.NoError(t, err)
		assert.True(t, option.IsNone(ran))
		assert.Equal(t, 1, s.called("release"))
	})
}
