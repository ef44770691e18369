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

// Promise 8: while waiting for a lock, a caller's deadline is kept. The tests also show
// promise 4, that nothing is left behind.

// cleaningUp is how long a caller waits for the clean-up.
const cleaningUp = 50 * time.Millisecond

// parting is an acquisition that fails.
type parting struct {
	acquire, release fault
	policy           schedule.Schedule // of failures
	limit            time.Duration     // of the caller; 0: none
	returns          time.Duration     // when the caller returns
	over             time.Duration     // when the clean-up ends
	releases         int               // how often the lock is released
	failed           string            // the operation that the error names, if any
	want             error
}

// stopped is a policy without retries.
var stopped = schedule.Stop()

var partings = map[string]parting{
	"the store never answers, 25 ms": {hangs, hangs, schedule.Schedule{}, 25 * time.Millisecond, 75 * time.Millisecond, 5025 * time.Millisecond, 3, "", context.DeadlineExceeded},
	"the store never answers, 1 s":   {hangs, hangs, schedule.Schedule{}, time.Second, time.Second + cleaningUp, 6 * time.Second, 3, "", context.DeadlineExceeded},
	"the store never answers, 7 s":   {hangs, hangs, schedule.Schedule{}, 7 * time.Second, 7*time.Second + cleaningUp, 12 * time.Second, 3, "tryAcquire", context.DeadlineExceeded},
	"the policy ends":                {hangs, hangs, stopped, 0, 2*time.Second + cleaningUp, 4 * time.Second, 1, "tryAcquire", nil},
	"the clean-up fails soon":        {hangs, fails, stopped, time.Second, time.Second, time.Second, 1, "release", errStore},
	"the clean-up succeeds later":    {loses, slow(time.Second), stopped, time.Second, time.Second + cleaningUp, 2 * time.Second, 1, "", context.DeadlineExceeded},
	"the caller leaves early":        {loses, nil, schedule.Schedule{}, time.Second, time.Second, time.Second, 1, "", context.DeadlineExceeded},
	"it leaves as it is granted":     {grantsAtTheEnd, nil, schedule.Schedule{}, time.Second, time.Second, time.Second, 1, "", context.DeadlineExceeded},
	"it is granted too late":         {late(ttl), nil, stopped, 0, ttl, ttl, 1, "tryAcquire", nil},
	"the store fails for one TTL":    {breaks, nil, schedule.Schedule{}, 0, ttl, ttl, 1, "tryAcquire", errStore},
	"no request is sent":             {notSent, nil, schedule.Schedule{}, 2 * time.Second, 2 * time.Second, 2 * time.Second, 0, "tryAcquire", context.DeadlineExceeded},
	"one request is not sent":        {notSent, nil, stopped, 0, 0, 0, 0, "tryAcquire", errStore},
	"the first request was applied":  {split(1, breaks, notSent), nil, schedule.Recurs(2), 0, 2 * time.Millisecond, 2 * time.Millisecond, 1, "tryAcquire", errStore},
	"the last request was applied":   {split(2, notSent, breaks), nil, schedule.Recurs(2), 0, 2 * time.Millisecond, 2 * time.Millisecond, 1, "tryAcquire", errStore},
	"the clean-up panics":            {hangs, endsBy(func() { panic("boom") }), schedule.Schedule{}, time.Second, time.Second + cleaningUp, 2 * time.Second, 1, "", context.DeadlineExceeded},
	"the clean-up ends by Goexit":    {hangs, endsBy(runtime.Goexit), schedule.Schedule{}, time.Second, time.Second + cleaningUp, 2 * time.Second, 1, "", context.DeadlineExceeded},
	"the acquire panics":             {endsBy(func() { panic("boom") }), slow(time.Second), schedule.Schedule{}, 0, time.Second + cleaningUp, 2 * time.Second, 1, "", nil},
	"the acquire ends by Goexit":     {endsBy(runtime.Goexit), slow(time.Second), schedule.Schedule{}, 0, time.Second + cleaningUp, 2 * time.Second, 1, "", effect.ErrGoexit},
}

// endsBy applies a request, and ends after a second without an answer.
func endsBy(end func()) fault {
	return func(ctx context.Context, r *request) error {
		_ = late(time.Second)(ctx, r)
		end()
		return nil
	}
}

func TestPromise8_AnAcquireThatFailsReturnsSoonAndIsCleanedUpBehindItsCaller(t *testing.T) {
	for name, c := range partings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, acquiring, func(t *testing.T, acquire way) {
				s, r, ctx := newStore(), recorder{}, t.Context()
				s.on(c.acquire, "tryAcquire")
				s.on(c.release, "release")
				if c.limit > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.limit)
					defer cancel()
				}
				began := time.Now()
				fiber, err := effect.Fork(acquire(newMutex(t, s, mutex.Config{BackingFailureRetryPolicy: c.policy, Observer: mutex.Observe(r.observe)})))(ctx)
				require.NoError(t, err)
				exit, err := fiber.Await()(t.Context())
				require.NoError(t, err)
				err = exit.Err()
				require.Error(t, err)
				assert.Equal(t, c.returns, time.Since(began))
				if c.want != nil {
					require.ErrorIs(t, err, c.want)
				}
				if c.limit > 0 {
					require.ErrorIs(t, err, context.DeadlineExceeded)
				}
				if c.failed != "" {
					requireFailed(t, err, c.failed)
				}
				if c.failed == "release" {
					assert.Len(t, r.of(mutex.BackingFailed), 1)
				}
				awaitCleanup(t, s)
				assert.Equal(t, c.over, time.Since(began), "in the background")
				assert.Equal(t, c.releases, s.called("release"))
				s.requireFree(t)
			})
		})
	}
}

func TestPromise8_AHolderIsNotKeptByTheCleanUpOfAWaiterThatHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		m := newMutex(t, s, mutex.Config{BackingFailureRetryPolicy: stopped})
		holder := locker(t, m, sleep(time.Second))
		leave := leaver(t, m)
		s.on(hangs, "release")
		s.on(func(context.Context, *request) error {
			leave()
			return errStore
		}, "pass")
		began := time.Now()
		_, err := holder.Join()(t.Context())
		require.ErrorIs(t, err, errStore)
		assert.LessOrEqual(t, time.Since(began), time.Second+cleaningUp)
		awaitCleanup(t, s)
		assert.Positive(t, s.called("release"))
	})
}

// abandon is an acquisition of a caller that leaves after a second.
func abandon(t *testing.T, m *mutex.Mutex) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := mutex.WithLock(m, effect.Succeed(1))(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
