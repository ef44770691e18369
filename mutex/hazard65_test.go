package mutex_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// Work that waits for the lock under which it runs would wait for itself.
func TestHazard65_WorkThatWaitsForItsOwnLockFailsAtOnce(t *testing.T) {
	each(t, map[string]way{
		"WithLock":         acquiring["WithLock"],
		"Acquire":          acquiring["Acquire"],
		"in another fiber": func(m *mutex.Mutex) effect.Effect[bool] { return effect.Race(acquiring["WithLock"](m)) },
	}, func(t *testing.T, again way) {
		s := newStore()
		outer, other := newMutex(t, s, mutex.Config{}), newMutexOf(t, s, "another", mutex.Config{})
		began := time.Now()
		// Another lock in between hides nothing, nor does another Mutex of the same lock.
		_, err := mutex.WithLock(outer, mutex.WithLock(other, again(newMutex(t, s, mutex.Config{TTL: time.Minute}))))(t.Context())
		assert.Equal(t, key, asA[*mutex.ReentrantError](t, err).Key)
		assert.ErrorContains(t, err, `lock "orders" is held by the very work that waits for it`)
		assert.Zero(t, time.Since(began))
	})
}

func TestHazard65_WorkThatTriesItsOwnLockFindsItHeld(t *testing.T) {
	each(t, map[string]way{"WithLockIfAvailable": acquiring["WithLockIfAvailable"], "TryAcquire": acquiring["TryAcquire"]}, func(t *testing.T, try way) {
		m := newMutex(t, newStore(), mutex.Config{})
		acquired, err := mutex.WithLock(m, try(m))(t.Context())
		require.NoError(t, err)
		assert.False(t, acquired)
	})
}

func TestHazard65_WorkWhoseLeaseHasEndedMayWaitForTheLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		m := newMutex(t, s, mutex.Config{TTL: time.Second})
		_, err := mutex.WithLock(m, func(ctx context.Context) (int, error) {
			s.loseData()
			<-ctx.Done()
			return mutex.WithLock(m, effect.Succeed(1))(context.WithoutCancel(ctx))
		})(t.Context())
		requireLost(t, err, mutex.Gone)
		assert.NotErrorAs(t, err, new(*mutex.ReentrantError))
	})
}

func TestHazard65_WorkMayWaitForItsOwnLockUnderItsConfiguredID(t *testing.T) {
	each(t, acquiring, func(t *testing.T, again way) {
		m := newMutex(t, newStore(), mutex.Config{HolderID: "job"})
		acquired, err := mutex.WithLock(m, again(m))(t.Context())
		require.NoError(t, err)
		assert.True(t, acquired)
	})
}
