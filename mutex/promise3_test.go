package mutex_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// Promise 3: whatever way the work ends, the keep-alive is stopped and joined
// first, and then the lock is released, under a fresh bounded context.

// ending is a way in which work can end.
type ending struct {
	end   func(ctx context.Context, cancel func()) (int, error)
	check func(effect.Exit[int]) bool
}

// The work ends after 15 s, while a refresh is under way.
func TestPromise3_TheLockIsReleasedWhateverWayTheWorkEnds(t *testing.T) {
	each(t, map[string]ending{
		"value": {
			func(context.Context, func()) (int, error) { return 42, nil },
			func(exit effect.Exit[int]) bool {
				a, ok := exit.Value()
				return ok && a == 42
			},
		},
		"error": {
			func(context.Context, func()) (int, error) { return 0, errWork },
			func(exit effect.Exit[int]) bool { return exit.IsFailure() && exit.Err() == errWork }, //nolint:errorlint // nothing else
		},
		"panic": {
			func(context.Context, func()) (int, error) { panic("boom") },
			func(exit effect.Exit[int]) bool {
				d, ok := errors.AsType[*effect.Defect](exit.Err())
				return ok && d.Value == "boom" && strings.Contains(string(d.Stack), "promise3_test.go") // of the work
			},
		},
		"cancellation": {
			func(ctx context.Context, cancel func()) (int, error) {
				cancel()
				<-ctx.Done()
				return 0, ctx.Err()
			},
			func(exit effect.Exit[int]) bool {
				return exit.IsInterruption() && errors.Is(exit.Err(), context.Canceled)
			},
		},
		"Goexit": {
			func(context.Context, func()) (int, error) {
				runtime.Goexit()
				return 0, nil
			},
			func(exit effect.Exit[int]) bool { return errors.Is(exit.Err(), effect.ErrGoexit) },
		},
	}, func(t *testing.T, c ending) {
		s := newStore()
		var refreshing atomic.Bool
		s.on(func(ctx context.Context, r *request) error {
			refreshing.Store(true)
			defer refreshing.Store(false)
			time.Sleep(7 * time.Second)
			return r.send(context.WithoutCancel(ctx))
		}, "refresh")
		s.on(func(ctx context.Context, r *request) error {
			assert.NoError(t, ctx.Err(), "a fresh context")
			deadline, ok := ctx.Deadline()
			assert.True(t, ok, "a bounded context")
			assert.LessOrEqual(t, time.Until(deadline), 5*time.Second)
			assert.False(t, refreshing.Load(), "a refresh is in flight: it could bring the lock back")
			return r.send(ctx)
		}, "release")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		fiber, err := effect.Fork(mutex.WithLock(newMutex(t, s, mutex.Config{}), func(ctx context.Context) (int, error) {
			time.Sleep(15 * time.Second)
			return c.end(ctx, cancel)
		}))(ctx)
		require.NoError(t, err)
		exit, err := fiber.Await()(t.Context())
		require.NoError(t, err)
		assert.True(t, c.check(exit), "%v", exit)
		s.requireFree(t)
		assert.Equal(t, 1, s.called("refresh"))
		assert.Equal(t, 1, s.called("release"))
	})
}

func TestPromise3_FibersOfTheWorkEndBeforeTheRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		childRuns := true
		s.on(func(ctx context.Context, r *request) error {
			assert.False(t, childRuns, "a child of the work still runs")
			return r.send(ctx)
		}, "release")
		child := func(ctx context.Context) (int, error) {
			<-ctx.Done()
			time.Sleep(time.Second)
			childRuns = false
			return 0, ctx.Err()
		}
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), effect.Fork(child))(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, s.called("release"))
	})
}

func TestPromise3_TheLeaseIsKeptAliveWhileCancelledWorkWindsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		ctx, cancel := context.WithCancel(t.Context())
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), func(ctx context.Context) (effect.Void, error) {
			cancel()
			return oblivious(3 * ttl)(ctx)
		})(ctx)
		require.NoError(t, err)
		s.requireFree(t)
	})
}

func TestPromise3_AReleaseThatFailsIsRepeatedAndThenReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.on(hangs, "release")
		began := time.Now()
		a, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), effect.Succeed(42))(t.Context())
		requireFailed(t, err, "release")
		assert.Equal(t, 42, a, "the value is returned beside the error")
		assert.Equal(t, 5*time.Second, time.Since(began), "bounded")
		assert.Equal(t, 3, s.called("release"), "each for 2 s at most")
		assert.NotErrorIs(t, err, context.DeadlineExceeded, "the caller had no deadline")
	})
}

// A store that reports releases says that this holder released the claim. One that does not
// is not asked to distinguish the loss of a reply from the loss of the lock.
func TestPromise3_AReleaseWhoseReplyIsLostIsASuccess(t *testing.T) {
	each(t, stores, func(t *testing.T, open func() *store) {
		s, r := open(), recorder{}
		s.on(first(2, breaks), "release")
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{Observer: mutex.Observe(r.observe)}), effect.Succeed(42))(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 3, s.called("release"))
		assert.Len(t, r.of(mutex.Released), 1)
		assert.Empty(t, r.of(mutex.Lost))
	})
}
