package mutex_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// Promise 2: the work's context is cancelled no later than the deadline.

// The lease runs from the question. A store that ignores even the end of its request keeps
// nobody waiting.
func TestPromise2_TheWorkIsCancelledByTheDeadline(t *testing.T) {
	each(t, map[string]fault{"though the store is silent": hangs, "though the store ignores cancellation": late(time.Hour)}, func(t *testing.T, fault fault) {
		s := newStore()
		var refreshed, cancelled time.Time
		s.on(split(3, func(ctx context.Context, r *request) error {
			refreshed = time.Now()
			return late(time.Second)(ctx, r)
		}, fault), "refresh")
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), func(ctx context.Context) (effect.Void, error) {
			v, err := untilCancelled(&cancelled)(ctx)
			requireLost(t, context.Cause(ctx), mutex.Expired)
			return v, err
		})(t.Context())
		defer time.Sleep(time.Hour) // for the store, which is busy still
		requireLost(t, err, mutex.Expired)
		require.LessOrEqual(t, time.Since(refreshed), ttl)
		require.LessOrEqual(t, cancelled.Sub(refreshed), ttl)
		require.Greater(t, cancelled.Sub(refreshed), ttl*98/100, "no earlier than clocks that differ demand")
	})
}

func TestPromise2_TheWorkIsCancelledBeforeAnotherCanAcquire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d, cancelled := newStore(), &diary{}, time.Time{}
		s.on(hangs, "refresh")
		holder := locker(t, newMutex(t, s, mutex.Config{}), d.entry(t, "holder", untilCancelled(&cancelled)))
		other := newMutex(t, s.anotherProcess(), mutex.Config{AcquireRetryInterval: time.Millisecond})
		join(t, locker(t, other, d.entry(t, "other", sleep(0)))) // two at once would be noticed
		_, err := holder.Join()(t.Context())
		requireLost(t, err, mutex.Expired)
		require.Equal(t, []string{"holder", "other"}, d.who)
	})
}

func TestPromise2_WithLockWaitsForTheWorkToReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.on(hangs, "refresh")
		began := time.Now()
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), oblivious(time.Hour))(t.Context())
		requireLost(t, err, mutex.Expired)
		require.Equal(t, time.Hour, time.Since(began))
	})
}

// The answer to an acquire, to a handover and to a question after a wake-up comes late.
func TestPromise2_ALeaseIsCountedFromTheRequestThatWonIt(t *testing.T) {
	each(t, map[string]struct {
		operation string
		store     func() *store
		prepare   func(*testing.T, *store)
	}{
		"an acquire": {"tryAcquire", newStore, func(*testing.T, *store) {}},
		"a handover": {"pass", newQueued, func(t *testing.T, s *store) {
			t.Helper()
			locker(t, newMutex(t, s, mutex.Config{}), sleep(time.Second))
		}},
		"after a wake-up": {"enqueue", newQueued, func(_ *testing.T, s *store) {
			s.take()
			time.AfterFunc(20*time.Second, func() { s.free("somebody else") })
		}},
	}, func(t *testing.T, c struct {
		operation string
		store     func() *store
		prepare   func(*testing.T, *store)
	},
	) {
		s := c.store()
		c.prepare(t, s)
		s.on(fails, "refresh")
		var asked, cancelled time.Time
		s.on(func(ctx context.Context, r *request) error {
			asked = time.Now()
			return late(time.Second)(ctx, r)
		}, c.operation)
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), untilCancelled(&cancelled))(t.Context())
		requireLost(t, err, mutex.Expired)
		require.Less(t, cancelled.Sub(asked), ttl)
		require.Greater(t, cancelled.Sub(asked), ttl*98/100)
	})
}

// The store says that the lock is somebody else's, and then nothing more.
func TestPromise2_TheDeadlineHoldsAlsoWhileTheReasonOfALossIsSought(t *testing.T) {
	each(t, map[string]fault{"from a store that is silent": hangs, "from one that ignores cancellation": late(time.Minute)}, func(t *testing.T, seek fault) {
		s := newStore()
		s.on(seek, "getHolder")
		s.on(func(context.Context, *request) error { return nil }, "refresh")
		var cancelled time.Time
		began := time.Now()
		m := newMutex(t, s, mutex.Config{TTL: 100 * time.Millisecond, RefreshInterval: 80 * time.Millisecond})
		_, err := mutex.WithLock(m, untilCancelled(&cancelled))(t.Context())
		defer time.Sleep(time.Minute) // for the store, which may be busy still
		asA[*mutex.LockLostError](t, err)
		require.LessOrEqual(t, cancelled.Sub(began), 100*time.Millisecond)
	})
}
