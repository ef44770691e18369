package mutex_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// Promise 2: the work's context is cancelled no later than the deadline.

func TestPromise2_TheWorkIsCancelledByTheDeadlineThoughTheStoreIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		var refreshed time.Time // when the last refresh that succeeded was sent
		s.refresh = func(ctx context.Context, c backing.Claim) (bool, error) {
			if s.called("refresh") > 3 {
				return false, hang(ctx)
			}
			refreshed = time.Now()
			time.Sleep(time.Second) // the answer takes its time; the lease runs from the question
			return s.real().Refresh(ctx, c)
		}
		var cancelled time.Time
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), func(ctx context.Context) (effect.Void, error) {
			<-ctx.Done()
			cancelled = time.Now()
			var lost *mutex.LockLostError
			require.ErrorAs(t, context.Cause(ctx), &lost)
			return effect.Void{}, ctx.Err()
		})(t.Context())
		requireLost(t, err, mutex.Expired)
		require.LessOrEqual(t, cancelled.Sub(refreshed), ttl)
		require.Greater(t, cancelled.Sub(refreshed), ttl*98/100, "no earlier than clocks that differ demand")
	})
}

// A store that ignores even the end of its request keeps nobody waiting.
func TestPromise2_TheWorkIsCancelledByTheDeadlineThoughTheStoreIsDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.refresh = func(context.Context, backing.Claim) (bool, error) {
			time.Sleep(time.Hour)
			return true, nil
		}
		began := time.Now()
		var cancelled time.Time
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), func(ctx context.Context) (effect.Void, error) {
			<-ctx.Done()
			cancelled = time.Now()
			return effect.Void{}, ctx.Err()
		})(t.Context())
		defer time.Sleep(time.Hour) // for the store, which is busy still
		requireLost(t, err, mutex.Expired)
		require.LessOrEqual(t, cancelled.Sub(began), ttl)
		require.LessOrEqual(t, time.Since(began), ttl)
	})
}

func TestPromise2_TheWorkIsCancelledBeforeAnotherCanAcquire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.refresh = func(ctx context.Context, _ backing.Claim) (bool, error) { return false, hang(ctx) }
		running := false
		m := newMutex(t, s, mutex.Config{})
		first := effect.Fork(mutex.WithLock(m, func(ctx context.Context) (effect.Void, error) {
			running = true
			defer func() { running = false }()
			<-ctx.Done()
			return effect.Void{}, ctx.Err()
		}))
		_, err := effect.Run(t.Context(), func(ctx context.Context) (effect.Void, error) {
			_, err := first(ctx)
			require.NoError(t, err)
			synctest.Wait()
			require.True(t, running)
			// Another process: it shares the store, but not our line.
			other := newMutex(t, &struct{ backing.Backing }{s.real()}, mutex.Config{AcquireRetryInterval: time.Millisecond})
			return mutex.WithLock(other, func(context.Context) (effect.Void, error) {
				require.False(t, running, "two holders at once")
				return effect.Void{}, nil
			})(ctx)
		})
		require.NoError(t, err)
	})
}

func TestPromise2_WithLockWaitsForTheWorkToReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.refresh = func(ctx context.Context, _ backing.Claim) (bool, error) { return false, hang(ctx) }
		returned := false
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), func(ctx context.Context) (effect.Void, error) {
			<-ctx.Done()
			time.Sleep(time.Hour)
			returned = true
			return effect.Void{}, ctx.Err()
		})(t.Context())
		requireLost(t, err, mutex.Expired)
		require.True(t, returned)
	})
}

func TestPromise2_AHolderThatCouldNotRunForALongTimeHasLost(t *testing.T) {
	t.Parallel()
	// In real time: one thread, and work that gives nothing else a chance to
	// run, is stood in for by a deadline that passes while nobody looks.
	s := newStore()
	m := newMutex(t, s, mutex.Config{TTL: 20 * time.Millisecond, RefreshInterval: 18 * time.Millisecond})
	s.refresh = func(ctx context.Context, _ backing.Claim) (bool, error) { return false, hang(ctx) }
	_, err := mutex.WithLock(m, func(context.Context) (effect.Void, error) {
		for start := time.Now(); time.Since(start) < 25*time.Millisecond; {
			continue
		}
		return effect.Void{}, nil
	})(t.Context())
	requireLost(t, err, mutex.Expired)
}
