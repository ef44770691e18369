package mutex_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// Work that waits for the lock under which it runs would wait for itself.
func TestHazard65_WorkThatWaitsForItsOwnLockFailsAtOnce(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]func(*mutex.Mutex) effect.Effect[int]{
		"WithLock": func(m *mutex.Mutex) effect.Effect[int] { return mutex.WithLock(m, effect.Succeed(1)) },
		"Locked":   func(m *mutex.Mutex) effect.Effect[int] { return mutex.Locked[int](m)(effect.Succeed(1)) },
		"Acquire":  acquireInAScope,
		"in another fiber": func(m *mutex.Mutex) effect.Effect[int] {
			return effect.Race(mutex.WithLock(m, effect.Succeed(1)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				outer, other := newMutex(t, s, mutex.Config{}), newMutexOf(t, s, "another", mutex.Config{})
				began := time.Now()
				// Another lock in between hides nothing, nor does another Mutex of the same lock.
				_, err := mutex.WithLock(outer, mutex.WithLock(other, again(newMutex(t, s, mutex.Config{TTL: time.Minute}))))(t.Context())
				var reentrant *mutex.ReentrantError
				require.ErrorAs(t, err, &reentrant)
				assert.Equal(t, "orders", reentrant.Key)
				assert.Equal(t, "ReentrantError", reentrant.Tag())
				assert.ErrorContains(t, err, `lock "orders" is held by the very work that waits for it`)
				assert.Zero(t, time.Since(began))
			})
		})
	}
}

func TestHazard65_WorkThatTriesItsOwnLockFindsItHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMutex(t, newStore(), mutex.Config{})
		ran, err := mutex.WithLock(m, mutex.WithLockIfAvailable(m, effect.Succeed(1)))(t.Context())
		require.NoError(t, err)
		assert.Equal(t, option.None[int](), ran)
		held, err := mutex.WithLock(m, effect.Scoped(m.TryAcquire))(t.Context())
		require.NoError(t, err)
		assert.True(t, option.IsNone(held))
	})
}

func TestHazard65_WorkWhoseLeaseHasEndedMayWaitForTheLock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		m := newMutex(t, s, mutex.Config{TTL: time.Second})
		_, err := mutex.WithLock(m, func(ctx context.Context) (int, error) {
			s.loseData()
			<-ctx.Done()
			return mutex.WithLock(m, effect.Succeed(1))(context.WithoutCancel(ctx))
		})(t.Context())
		requireLost(t, err, mutex.Gone)
		var reentrant *mutex.ReentrantError
		assert.NotErrorAs(t, err, &reentrant)
	})
}

func TestHazard65_AFiberThatOutlivesTheWorkMayWaitForTheLock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMutex(t, newStore(), mutex.Config{})
		one, err := effect.Scoped(func(s *effect.Scope) effect.Effect[int] {
			later := func(ctx context.Context) (int, error) {
				time.Sleep(time.Second)
				return mutex.WithLock(m, effect.Succeed(1))(ctx)
			}
			join := func(f *effect.Fiber[int]) effect.Effect[int] { return f.Join() }
			return effect.FlatMap(join)(mutex.WithLock(m, effect.ForkIn[int](s)(later)))
		})(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 1, one)
	})
}

func TestHazard65_WorkMayWaitForItsOwnLockUnderItsConfiguredID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMutex(t, newStore(), mutex.Config{HolderID: "job"})
		one, err := mutex.WithLock(m, effect.Scoped(func(s *effect.Scope) effect.Effect[string] {
			return effect.Map(func(k *mutex.KeepAlive) string { return k.HolderID() })(m.Acquire(s))
		}))(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "job", one)
	})
}

func acquireInAScope(m *mutex.Mutex) effect.Effect[int] {
	return effect.Scoped(func(s *effect.Scope) effect.Effect[int] { return effect.As[*mutex.KeepAlive](1)(m.Acquire(s)) })
}
