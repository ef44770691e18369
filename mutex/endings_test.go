package mutex_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

func TestAStoreThatPanicsWhenAskedForTheReasonOfALossEndsNoProcess(t *testing.T) {
	t.Parallel()
	for name, seek := range map[string]fault{
		"panics":             func(context.Context, *request) error { panic(errStore) },
		"ends the goroutine": func(context.Context, *request) error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				s.on(seek, "getHolder")
				began := time.Now()
				_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), func(ctx context.Context) (int, error) {
					s.loseData()
					<-ctx.Done()
					return 1, nil
				})(t.Context())
				requireLost(t, err, mutex.Gone)
				assert.Equal(t, ttl/3, time.Since(began), "at the first refresh")
			})
		})
	}
}

func TestHazard65_AFiberThatOutlivesTheWorkMayWaitForTheLock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMutex(t, newStore(), mutex.Config{})
		one, err := effect.Scoped(func(s *effect.Scope) effect.Effect[int] {
			later := func(ctx context.Context) (int, error) {
				time.Sleep(time.Second)
				return mutex.WithLock(m, effect.Succeed(1))(ctx)
			}
			join := func(f *effect.Fiber[int]) effect.Effect[int] { return f.Join() }
			return effect.FlatMap(join)(mutex.WithLock(m, effect.ForkIn[int](s)(later)))
		})(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 1, one)
	})
}

// slowContext takes a minute to report whether it has ended, once.
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
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		var slow atomic.Bool
		s.on(func(ctx context.Context, r *request) error {
			defer slow.Store(true)
			return r.send(ctx)
		}, "tryAcquire")
		ran, err := mutex.WithLockIfAvailable(newMutex(t, s, mutex.Config{}), effect.Succeed(1))(slowContext{t.Context(), &slow})
		require.NoError(t, err)
		assert.True(t, option.IsNone(ran))
		assert.Equal(t, 1, s.called("release"))
	})
}
