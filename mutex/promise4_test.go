package mutex_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

// Promise 4: an acquire that ends without the lock leaves none behind.

func TestPromise4_AnAcquireThatFailsAfterItsRequestWasAppliedLeavesNoLock(t *testing.T) {
	for name, c := range map[string]struct {
		fault func(leave func()) fault
		want  error
	}{
		"the caller leaves while it waits for the answer": {func(leave func()) fault {
			return func(ctx context.Context, r *request) error {
				time.AfterFunc(time.Second, leave)
				return loses(ctx, r)
			}
		}, context.Canceled},
		"the caller leaves as it is granted the lock": {func(leave func()) fault {
			return func(ctx context.Context, r *request) error {
				defer leave()
				return r.send(ctx)
			}
		}, context.Canceled},
		"the store fails": {func(func()) fault { return breaks }, errStore},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, acquiring, func(t *testing.T, acquire way) {
				s := newStore()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				s.on(c.fault(cancel), "tryAcquire")
				_, err := acquire(newMutex(t, s, mutex.Config{}))(ctx)
				require.ErrorIs(t, err, c.want)
				if c.want == errStore {
					assert.Equal(t, 301, s.called("tryAcquire"), "the default policy retries for one TTL")
				}
				require.NotZero(t, s.called("release"))
				s.requireFree(t)
			})
		})
	}
}

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

func TestPromise4_AGrantThatComesTooLateIsGivenBack(t *testing.T) {
	each(t, acquiring, func(t *testing.T, acquire way) {
		s := newStore()
		s.on(late(time.Second), "tryAcquire") // the store ignores the end of the request
		_, err := acquire(newMutex(t, s, mutex.Config{TTL: time.Second, BackingFailureRetryPolicy: schedule.Stop()}))(t.Context())
		requireA[*effect.TimeoutError](t, err)
		require.Equal(t, 1, s.called("release"))
	})
}

func TestPromise4_APanicDuringTheAcquireLeavesNoLock(t *testing.T) {
	type variant struct {
		fault  fault
		config mutex.Config
	}
	each(t, map[string]variant{
		"of the store": {func(ctx context.Context, r *request) error {
			_ = r.send(ctx)
			panic("boom")
		}, mutex.Config{}},
		"of the policy": {breaks, mutex.Config{
			BackingFailureRetryPolicy: schedule.Forever().WhileError(func(error) bool { panic("boom") }),
		}},
		"of the observer": {nil, mutex.Config{Observer: func(e mutex.Event) {
			if e.Kind == mutex.Acquired {
				panic("boom")
			}
		}}},
	}, func(t *testing.T, c variant) {
		s := newStore()
		s.on(c.fault, "tryAcquire")
		m := newMutex(t, s, c.config)
		require.PanicsWithValue(t, "boom", func() { _, _ = mutex.WithLock(m, effect.Succeed(1))(t.Context()) })
		s.requireFree(t)
	})
}

// A waiter gives up when its policy ends, whether it polls, is queued by the store, or waits
// behind another of its process.
func TestPromise4_AWaiterAsksAndGivesUpAsItsPolicySays(t *testing.T) {
	const limit = 71*time.Second + 500*time.Microsecond // of its caller
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
