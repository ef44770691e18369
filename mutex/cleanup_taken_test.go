package mutex_test

import (
	"context"
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

// stuck is a store that grants the first acquisition, but loses the reply, and whose first
// release ends only when the clean-up is taken over, and long after that.
func stuck(long time.Duration) *store {
	s := newStore()
	s.tryAcquire = func(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
		if s.called("tryAcquire") > 1 {
			return option.None[backing.Grant](), backing.NotSent(backing.Permanent(errStore))
		}
		_, _ = s.real().TryAcquire(ctx, c)
		return option.None[backing.Grant](), hang(ctx)
	}
	s.release = func(ctx context.Context, key, holder string) (bool, error) {
		if s.called("release") > 1 {
			return s.real().Release(ctx, key, holder)
		}
		err := hang(ctx)
		time.Sleep(long)
		return false, err
	}
	return s
}

func TestAnAcquisitionThatTakesACleanUpOverAndIsNotSentCleansUp(t *testing.T) {
	eachWayToAcquire(t, func(t *testing.T, acquire func(*mutex.Mutex) effect.Effect[bool]) {
		s := stuck(0)
		m := newMutex(t, s, mutex.Config{HolderID: "job"})
		abandon(t, m)
		_, err := acquire(m)(t.Context())
		require.ErrorIs(t, err, errStore)
		awaitCleanup(t, s)
		s.requireFree(t)
		assert.Equal(t, 2, s.called("release"))
	})
}

// It leaves while the clean-up has not ended yet. The next one, which leaves as well, has
// nothing of the first to release.
func TestAnAcquisitionThatTakesACleanUpOverAndLeavesCleansUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stuck(time.Minute)
		m := newMutex(t, s, mutex.Config{HolderID: "job"})
		abandon(t, m)
		abandon(t, m)
		synctest.Wait()
		s.requireFree(t)
		abandon(t, m)
		awaitCleanup(t, s)
		assert.Equal(t, 2, s.called("release"))
	})
}

// A place in the queue would be given the lock, which nobody would use.
func TestATryThatTakesACleanUpOverAndFindsTheLockTakenCleansUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		released := 0
		s.releaseClaim = func(ctx context.Context, c backing.Claim) (backing.Released, error) {
			if c.Holder == "job" {
				if released++; released == 1 {
					return backing.NotHeld, hang(ctx)
				}
			}
			return s.real().ReleaseClaim(ctx, c)
		}
		other := backing.Claim{Key: key, Holder: "other", TTL: time.Hour}
		_, err := s.real().TryAcquire(t.Context(), other)
		require.NoError(t, err)
		m := newMutex(t, s, mutex.Config{HolderID: "job"})
		abandon(t, m)
		ran, err := mutex.WithLockIfAvailable(m, effect.Succeed(1))(t.Context())
		require.NoError(t, err)
		assert.True(t, option.IsNone(ran))
		awaitCleanup(t, s)
		assert.Equal(t, 2, released)
		_, err = s.real().ReleaseClaim(t.Context(), other)
		require.NoError(t, err)
		s.requireFree(t)
	})
}
