package mutex_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

// Promise 1: WithLock succeeds only if the lease was ours for as long as the work ran.

func TestPromise1_AHeldLockIsRefreshedForAsLongAsTheWorkRuns(t *testing.T) {
	// A policy that would wait beyond the deadline does not: there is time for a try.
	type variant struct {
		config mutex.Config
		fault  fault
		work   time.Duration
		tries  int // 0 if the number does not matter
	}
	each(t, map[string]variant{
		"each 10 s by default":           {mutex.Config{}, nil, 10*ttl - time.Second, 29},
		"as often as configured":         {mutex.Config{TTL: time.Minute, RefreshInterval: 7 * time.Second}, nil, 71 * time.Second, 10},
		"a store that fails for 19 s":    {mutex.Config{}, first(190, fails), 2 * ttl, 0},
		"a policy that ends":             {mutex.Config{BackingFailureRetryPolicy: schedule.Stop()}, first(1, fails), 2 * ttl, 0},
		"exponential, in a short outage": {mutex.Config{BackingFailureRetryPolicy: schedule.Exponential(100 * time.Millisecond)}, outage(13 * time.Second), 2 * ttl, 0},
		"few retries, in one":            {mutex.Config{BackingFailureRetryPolicy: schedule.Recurs(3), RefreshInterval: 20 * time.Second}, outage(time.Second), 2 * ttl, 0},
		"no retry, in one":               {mutex.Config{BackingFailureRetryPolicy: schedule.Stop(), RefreshInterval: 15 * time.Second}, outage(time.Second), 2 * ttl, 0},
		"long delays, in one":            {mutex.Config{BackingFailureRetryPolicy: schedule.Spaced(20 * time.Second)}, outage(time.Second), 2 * ttl, 0},
	}, func(t *testing.T, c variant) {
		s := newStore()
		s.on(c.fault, "refresh")
		_, err := mutex.WithLock(newMutex(t, s, c.config), sleep(c.work))(t.Context())
		require.NoError(t, err)
		if c.tries > 0 {
			assert.Equal(t, c.tries, s.called("refresh"))
		}
		s.requireFree(t)
	})
}

func TestPromise1_WorkThatOutlivesItsLeaseHasLostIt(t *testing.T) {
	each(t, map[string]fault{
		"the store fails":           fails,
		"the store does not answer": hangs,
		"the store ignores the end of the request": func(context.Context, *request) error {
			time.Sleep(2 * ttl)
			return errStore
		},
		"the store says yes, but too late": late(2 * ttl),
	}, func(t *testing.T, refresh fault) {
		s := newStore()
		s.on(refresh, "refresh")
		work := effect.As[effect.Void](42)(oblivious(ttl + time.Millisecond))
		a, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), work)(t.Context())
		defer time.Sleep(2 * ttl) // for the store, which may be busy still
		requireLost(t, err, mutex.Expired)
		require.Equal(t, key, asA[*mutex.LockLostError](t, err).Key)
		require.Equal(t, 42, a, "the value is returned beside the error")
		if s.called("refresh") > 100 {
			require.ErrorIs(t, err, errStore, "what the store last failed with")
		}
	})
}

func TestPromise1_TheStoreSaysThatTheLockIsLost(t *testing.T) {
	for reason, happen := range map[mutex.LossReason]func(*store){mutex.Taken: (*store).take, mutex.Gone: (*store).loseData} {
		each(t, map[string]struct{ work, found time.Duration }{
			string(reason) + ", in answer to a refresh": {ttl, 10 * time.Second},
			string(reason) + ", at the release":         {0, 0},
		}, func(t *testing.T, c struct{ work, found time.Duration }) {
			s := newStore()
			began := time.Now()
			a, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), func(ctx context.Context) (int, error) {
				happen(s)
				_, err := sleep(c.work)(ctx)
				return 42, err
			})(t.Context())
			requireLost(t, err, reason)
			assert.Equal(t, 42, a)
			assert.Equal(t, c.found, time.Since(began))
			assert.Equal(t, reason == mutex.Taken, s.holder() == "somebody else", "the key is neither taken back nor freed")
		})
	}
}

func TestPromise1_AnInterruptedKeepAliveLosesTheLeaseAtItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := mutex.WithLock(newMutex(t, newStore(), mutex.Config{}), func(ctx context.Context) (effect.Void, error) {
			lock, _ := mutex.FromContext(ctx)
			exit, err := lock.Interrupt()(ctx)
			require.NoError(t, err)
			require.True(t, exit.IsInterruption())
			return sleep(2 * ttl)(ctx)
		})(t.Context())
		requireLost(t, err, mutex.Expired)
		require.LessOrEqual(t, time.Since(began), ttl)
	})
}

// Promise 2: the work's context is cancelled no later than the deadline.

// The lease is counted from the request. A store that ignores even the end of its request
// keeps nobody waiting.
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
		join(t, locker(t, other, d.entry(t, "other", sleep(0)))) // two holders at once would be noticed
		_, err := holder.Join()(t.Context())
		requireLost(t, err, mutex.Expired)
		require.Equal(t, []string{"holder", "other"}, d.who)
	})
}

// The answers to an acquire, a handover and a request after a wake-up come late.
func TestPromise2_ALeaseIsCountedFromTheRequestThatWonIt(t *testing.T) {
	type variant struct {
		operation string
		store     func() *store
		prepare   func(*testing.T, *store)
	}
	each(t, map[string]variant{
		"an acquire": {"tryAcquire", newStore, func(*testing.T, *store) {}},
		"a handover": {"pass", newQueued, func(t *testing.T, s *store) {
			t.Helper()
			locker(t, newMutex(t, s, mutex.Config{}), sleep(time.Second))
		}},
		"after a wake-up": {"enqueue", newQueued, func(_ *testing.T, s *store) {
			s.take()
			time.AfterFunc(20*time.Second, func() { s.free("somebody else") })
		}},
	}, func(t *testing.T, c variant) {
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
		requireA[*mutex.LockLostError](t, err)
		require.LessOrEqual(t, cancelled.Sub(began), 100*time.Millisecond)
	})
}

func TestAStoreThatPanicsWhenAskedForTheReasonOfALossEndsNoProcess(t *testing.T) {
	each(t, map[string]func(){"panics": func() { panic(errStore) }, "ends the goroutine": runtime.Goexit}, func(t *testing.T, end func()) {
		s := newStore()
		s.on(endsBy(end), "getHolder")
		s.on(func(context.Context, *request) error { return nil }, "refresh") // the lock is not held
		ended, began := time.Time{}, time.Now()
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), untilCancelled(&ended))(t.Context())
		defer time.Sleep(time.Minute) // for the store, which may be busy still
		requireLost(t, err, mutex.Gone)
		assert.LessOrEqual(t, ended.Sub(began), ttl/3+time.Second, "at the first refresh")
	})
}
