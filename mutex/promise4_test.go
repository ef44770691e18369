package mutex_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

// Promise 4: an acquire that ends without the lock leaves none behind.

func TestPromise4_NothingIsSentForACallerWhoLeftBefore(t *testing.T) {
	each(t, acquiring, func(t *testing.T, acquire way) {
		s := newStore()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := acquire(newMutex(t, s, mutex.Config{}))(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.Zero(t, s.called())
	})
}

func TestPromise4_ALostReplyIsRecognizedByTheNextTry(t *testing.T) {
	each(t, acquiring, func(t *testing.T, acquire way) {
		s := newStore()
		s.on(first(1, loses), "tryAcquire")
		acquired, err := acquire(newMutex(t, s, mutex.Config{}))(t.Context())
		require.NoError(t, err)
		require.True(t, acquired)
		require.Equal(t, 2, s.called("tryAcquire"))
		s.requireFree(t)
	})
}

func TestPromise4_APanicKeepsItsValueAndLeavesNoLock(t *testing.T) {
	type variant struct {
		fault  fault
		config mutex.Config
		want   string
	}
	each(t, map[string]variant{
		"of the store": {endsBy(func() { panic("store") }), mutex.Config{}, "store"},
		"of the policy": {breaks, mutex.Config{
			BackingFailureRetryPolicy: schedule.Forever().WhileError(func(error) bool { panic("policy") }),
		}, "policy"},
		"of the observer": {nil, mutex.Config{Observer: func(_ context.Context, e mutex.Event) {
			if e.Kind == mutex.Acquired {
				panic("observer")
			}
		}}, "observer"},
		"of the work": {nil, mutex.Config{}, "work"},
	}, func(t *testing.T, c variant) {
		s := newStore()
		s.on(c.fault, "tryAcquire")
		m := newMutex(t, s, c.config)
		require.PanicsWithValue(t, c.want, func() {
			_, _ = mutex.WithLock(m, func(context.Context) (int, error) { panic("work") })(t.Context())
		})
		s.requireFree(t)
	})
}

// A waiter gives up when its policy ends, whether it polls, is queued by the store, or waits
// behind another waiter of its process.
func TestPromise4_AWaiterAsksAndGivesUpAsItsPolicySays(t *testing.T) {
	const limit = 71*time.Second + 500*time.Microsecond // the caller's deadline
	each(t, map[string]waiting{
		"at an interval":              {mutex.Config{AcquireRetryInterval: 7 * time.Second}, newStore, false, 11, limit},
		"at the default one":          {mutex.Config{}, newStore, false, 711, limit},
		"by a policy instead":         {mutex.Config{AcquireRetryInterval: 1, AcquireRetryPolicy: schedule.Exponential(time.Second).UpTo(time.Minute)}, newStore, false, 7, 63 * time.Second},
		"a few times":                 {mutex.Config{AcquireRetryPolicy: schedule.Spaced(time.Second).Intersect(schedule.Recurs(3))}, newStore, false, 4, 3 * time.Second},
		"without delays, not without": {mutex.Config{AcquireRetryPolicy: schedule.Forever()}, newStore, false, 71_001, limit},
		"not at all":                  {mutex.Config{AcquireRetryPolicy: schedule.Stop()}, newStore, false, 1, 0},
		"behind another":              {mutex.Config{AcquireRetryPolicy: schedule.Spaced(time.Second).UpTo(10 * time.Second)}, newStore, true, 0, 10 * time.Second},
		"in the queue":                {mutex.Config{AcquireRetryPolicy: schedule.Spaced(100 * time.Millisecond).UpTo(time.Second)}, newQueued, false, 1, time.Second},
	}, func(t *testing.T, c waiting) {
		s := c.open()
		s.take()
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		if c.behind {
			defer leaver(t, newMutex(t, s, mutex.Config{}))()
		}
		began, waiter := time.Now(), newMutex(t, s, c.config)
		_, err := mutex.WithLock(waiter, effect.Succeed(1))(ctx)
		assert.Equal(t, c.ends, time.Since(began))
		if c.ends < limit {
			refused := asA[*mutex.LockNotAcquiredError](t, err)
			assert.Equal(t, c.ends, refused.Waited)
			assert.Equal(t, key, refused.Key)
		} else {
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		if !c.behind {
			assert.Equal(t, c.asks, s.called("tryAcquire", "enqueue"))
		}
		assert.Equal(t, s.able, s.called("release") == 1, "only one that was queued has something to undo")
		assert.Equal(t, "somebody else", s.holder())
	})
}

type waiting struct {
	config mutex.Config
	open   func() *store
	behind bool // another waiter of its process
	asks   int
	ends   time.Duration
}

// slowContext once takes a minute to say whether it has ended.
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
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		var slow atomic.Bool
		s.on(func(ctx context.Context, r *request) error {
			defer slow.Store(true)
			return r.send(ctx)
		}, "tryAcquire")
		acquired, err := acquiring["WithLockIfAvailable"](newMutex(t, s, mutex.Config{}))(slowContext{t.Context(), &slow})
		require.NoError(t, err)
		assert.False(t, acquired)
		assert.Equal(t, 1, s.called("release"))
	})
}
