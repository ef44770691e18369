package mutex_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// Promise 3: whatever way the work ends, the keep-alive is stopped and joined
// first, and then the lock is released, under a fresh bounded context.

// endings are the ways in which work can end, after 15 s: between two refreshes.
var endings = map[string]func(ctx context.Context, cancel func()) (int, error){
	"value": func(context.Context, func()) (int, error) { return 42, nil },
	"error": func(context.Context, func()) (int, error) { return 0, errWork },
	"panic": func(context.Context, func()) (int, error) { panic("boom") },
	"cancellation": func(ctx context.Context, cancel func()) (int, error) {
		cancel()
		<-ctx.Done()
		return 0, ctx.Err()
	},
	"Goexit": func(context.Context, func()) (int, error) {
		runtime.Goexit()
		return 0, nil
	},
}

var errWork = errors.New("the work failed")

func TestPromise3_TheLockIsReleasedWhateverWayTheWorkEnds(t *testing.T) {
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				s.release = func(ctx context.Context, key, holder string) (bool, error) {
					assert.NoError(t, ctx.Err(), "a fresh context")
					deadline, ok := ctx.Deadline()
					assert.True(t, ok, "a bounded context")
					assert.LessOrEqual(t, time.Until(deadline), 5*time.Second)
					return s.real().Release(ctx, key, holder)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				work := func(ctx context.Context) (int, error) {
					time.Sleep(15 * time.Second)
					return end(ctx, cancel)
				}
				exit := inGoroutine(ctx, mutex.WithLock(newMutex(t, s, mutex.Config{}), work))

				s.requireFree(t)
				assert.Equal(t, 1, s.called("release"))
				switch name {
				case "value":
					a, ok := exit.Value()
					assert.True(t, ok)
					assert.Equal(t, 42, a)
				case "error":
					assert.True(t, exit.IsFailure())
					assert.Equal(t, errWork, exit.Err())
				case "panic":
					var d *effect.Defect
					require.ErrorAs(t, exit.Err(), &d)
					assert.Equal(t, "boom", d.Value)
					assert.Contains(t, string(d.Stack), "promise3_test.go", "the stack of the work")
				case "cancellation":
					assert.True(t, exit.IsInterruption())
					assert.ErrorIs(t, exit.Err(), context.Canceled)
				case "Goexit":
					assert.ErrorIs(t, exit.Err(), effect.ErrGoexit)
				}
			})
		})
	}
}

// inGoroutine runs an effect that may end its goroutine.
func inGoroutine[A any](ctx context.Context, eff effect.Effect[A]) effect.Exit[A] {
	fiber, err := effect.Fork(eff)(ctx)
	if err != nil {
		panic(err)
	}
	exit, err := fiber.Await()(context.WithoutCancel(ctx))
	if err != nil {
		panic(err)
	}
	return exit
}

func TestPromise3_APanicKeepsItsValue(t *testing.T) {
	t.Parallel()
	m := newMutex(t, newStore(), mutex.Config{})
	require.PanicsWithValue(t, "boom", func() {
		_, _ = mutex.WithLock(m, func(context.Context) (int, error) { panic("boom") })(t.Context())
	})
}

func TestPromise3_TheKeepAliveIsJoinedBeforeTheRelease(t *testing.T) {
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				var refreshing atomic.Bool
				s.refresh = func(ctx context.Context, c backing.Claim) (bool, error) {
					refreshing.Store(true)
					defer refreshing.Store(false)
					time.Sleep(7 * time.Second) // under way when the work ends, and deaf to it
					return s.real().Refresh(context.WithoutCancel(ctx), c)
				}
				s.release = func(ctx context.Context, key, holder string) (bool, error) {
					assert.False(t, refreshing.Load(), "a refresh is in flight: it could bring the lock back")
					return s.real().Release(ctx, key, holder)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				inGoroutine(ctx, mutex.WithLock(newMutex(t, s, mutex.Config{}), func(ctx context.Context) (int, error) {
					time.Sleep(15 * time.Second)
					return end(ctx, cancel)
				}))
				assert.Equal(t, 1, s.called("refresh"))
				s.requireFree(t)
			})
		})
	}
}

func TestPromise3_FibersOfTheWorkEndBeforeTheRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		childRuns := true
		s.release = func(ctx context.Context, key, holder string) (bool, error) {
			assert.False(t, childRuns, "a child of the work still runs")
			return s.real().Release(ctx, key, holder)
		}
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
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), func(ctx context.Context) (int, error) {
			cancel()
			time.Sleep(3 * ttl)
			return 42, nil
		})(ctx)
		require.NoError(t, err)
		s.requireFree(t)
	})
}

func TestPromise3_AReleaseThatFailsIsRepeatedAndThenReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.release = func(ctx context.Context, _, _ string) (bool, error) { return false, hang(ctx) }
		began := time.Now()
		a, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), effect.Succeed(42))(t.Context())
		var failed *mutex.MutexBackingError
		require.ErrorAs(t, err, &failed)
		assert.Equal(t, "release", failed.Operation)
		assert.Equal(t, 42, a, "the value is returned beside the error")
		assert.Equal(t, 5*time.Second, time.Since(began), "bounded")
		assert.Equal(t, 3, s.called("release"), "each for 2 s at most")
		assert.NotErrorIs(t, err, context.DeadlineExceeded, "the caller had no deadline")
	})
}

func TestPromise3_ALostReplyToTheReleaseIsNoLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.release = func(ctx context.Context, key, holder string) (bool, error) {
			released, err := s.real().Release(ctx, key, holder)
			if s.called("release") == 1 {
				return false, hang(ctx)
			}
			return released, err
		}
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), effect.Succeed(42))(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, s.called("release"))
	})
}
