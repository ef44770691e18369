package mutex_test

import (
	"context"
	"slices"
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

func TestAnAcquiredLockIsHeldUntilItsScopeCloses(t *testing.T) {
	each(t, holding, func(t *testing.T, acquire hold) {
		s := newStore()
		m := newMutex(t, s, mutex.Config{})
		_, err := effect.Scoped(func(scope *effect.Scope) effect.Effect[int] {
			return func(ctx context.Context) (int, error) {
				// The timeout on the acquisition does not end the keep-alive.
				lock, err := effect.Timeout[*mutex.KeepAlive](time.Second)(acquire(m, scope))(ctx)
				require.NoError(t, err)
				time.Sleep(3 * ttl)
				holder, err := m.Holder(ctx)
				require.NoError(t, err)
				assert.Equal(t, option.Some(lock.HolderID()), holder)
				locked, err := m.IsLocked(ctx)
				require.NoError(t, err)
				assert.True(t, locked)
				assert.NotZero(t, lock.Token())
				assert.Equal(t, m.Key(), lock.Key())
				assert.True(t, option.IsNone(lock.Poll()), "the keep-alive runs")
				busy, err := m.TryAcquire(scope)(ctx)
				assert.True(t, option.IsNone(busy), "a mutex is not reentrant")
				return 0, err
			}
		})(t.Context())
		require.NoError(t, err)
		s.requireFree(t)
		locked, err := m.IsLocked(t.Context())
		require.NoError(t, err)
		assert.False(t, locked)
	})
}

func TestJoiningTheKeepAliveShowsTheLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		m := newMutex(t, s, mutex.Config{})
		workEnded := false
		began := time.Now()
		_, err := effect.Scoped(func(scope *effect.Scope) effect.Effect[effect.Void] {
			return func(ctx context.Context) (effect.Void, error) {
				lock, err := m.Acquire(scope)(ctx)
				require.NoError(t, err)
				s.loseData()
				work := effect.Ensuring[effect.Void](func(context.Context) (effect.Void, error) {
					workEnded = true
					return effect.Void{}, nil
				})(sleep(time.Hour))
				return effect.RaceFirst(work, effect.Absurd[effect.Void](lock.Join()))(ctx)
			}
		})(t.Context())
		lost := requireLost(t, err, mutex.Gone)
		assert.True(t, workEnded)
		assert.Equal(t, lost.Error(), err.Error(), "said once")
		assert.Equal(t, 10*time.Second, time.Since(began), "by the refresh that found it")
	})
}

func TestAScopeInWhichALockWasLostFailsThoughNobodyLooked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		m := newMutex(t, s, mutex.Config{})
		_, err := effect.Scoped(func(scope *effect.Scope) effect.Effect[int] {
			return func(ctx context.Context) (int, error) {
				_, err := m.Acquire(scope)(ctx)
				s.loseData()
				time.Sleep(ttl)
				return 42, err
			}
		})(t.Context())
		requireLost(t, err, mutex.Gone)
	})
}

func TestWithLockIfAvailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		m := newMutex(t, s, mutex.Config{})
		inner, err := mutex.LockedIfAvailable[option.Option[int]](m)(mutex.LockedIfAvailable[int](m)(effect.Succeed(1)))(t.Context())
		require.NoError(t, err)
		assert.Equal(t, option.Some(option.None[int]()), inner, "free outside, held inside")

		_, err = mutex.WithLockIfAvailable(m, effect.Fail[int](errWork))(t.Context())
		require.ErrorIs(t, err, errWork)
		s.requireFree(t)

		s.on(func(context.Context, *request) error { return backing.Permanent(errStore) }, "release")
		receipt, err := mutex.WithLockIfAvailable(m, effect.Succeed(42))(t.Context())
		require.ErrorIs(t, err, errStore)
		assert.Equal(t, option.Some(42), receipt, "beside the error of the release")
	})
}

func TestFromContextIsTheInnermostLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		outer, inner := newMutex(t, s, mutex.Config{HolderID: "outer"}), newMutexOf(t, s, "another key", mutex.Config{HolderID: "inner"})
		_, err := mutex.WithLock(outer, func(ctx context.Context) (int, error) {
			id, err := mutex.Locked[string](inner)(holderID)(ctx)
			require.NoError(t, err)
			assert.Equal(t, "inner", id)
			id, err = holderID(ctx)
			assert.Equal(t, "outer", id)
			return 0, err
		})(t.Context())
		require.NoError(t, err)
		_, ok := mutex.FromContext(t.Context())
		assert.False(t, ok)
	})
}

func TestTheLossOfAnOuterLockEndsTheInnerWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		outer := newMutex(t, s, mutex.Config{})
		innerStore := newStore()
		inner := newMutex(t, innerStore, mutex.Config{})
		recovered := false
		_, err := mutex.WithLock(outer, func(ctx context.Context) (effect.Void, error) {
			s.loseData()
			// Recovering inside, where the work has been cancelled, is no way to go on.
			return effect.CatchAll(func(error) effect.Effect[effect.Void] {
				recovered = true
				return effect.Succeed(effect.Void{})
			})(mutex.WithLock(inner, sleep(time.Hour)))(ctx)
		})(t.Context())
		requireLost(t, err, mutex.Gone)
		assert.False(t, recovered)
		innerStore.requireFree(t)

		_, err = effect.CatchTag(func(e *mutex.LockLostError) effect.Effect[string] {
			return effect.Succeed(e.Key)
		})(effect.Fail[string](err))(t.Context())
		require.NoError(t, err, "outside it can be recovered from")
	})
}

func TestALockedEffectMayRunManyTimesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{}
		locked := mutex.WithLock(newMutex(t, newStore(), mutex.Config{}), d.entry(t, "one", sleep(time.Second)))
		_, err := effect.All(0, slices.Repeat([]effect.Effect[effect.Void]{effect.ZipRight[effect.Void](locked)(locked)}, 20)...)(t.Context())
		require.NoError(t, err)
		assert.Len(t, d.who, 40)
	})
}
