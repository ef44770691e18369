package hazards_test

import (
	"context"
	"testing"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

func newMutex(t *testing.T, b backing.Backing, key string, c mutex.Config) *mutex.Mutex {
	t.Helper()
	m, err := mutex.New(b, key, c)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := mutex.AwaitCleanup(b)(context.Background())
		assert.NoError(t, err)
	})
	return m
}

// acquiring are the ways to get a lock; work runs once it has been acquired.
var acquiring = map[string]func(m *mutex.Mutex, work effect.Effect[effect.Void]) effect.Effect[effect.Void]{
	"WithLock": mutex.WithLock[effect.Void],
	"WithLockIfAvailable": func(m *mutex.Mutex, work effect.Effect[effect.Void]) effect.Effect[effect.Void] {
		return ignoring(mutex.WithLockIfAvailable(m, work))
	},
	"Acquire": func(m *mutex.Mutex, work effect.Effect[effect.Void]) effect.Effect[effect.Void] {
		return effect.Scoped(func(s *effect.Scope) effect.Effect[effect.Void] {
			return func(ctx context.Context) (effect.Void, error) {
				lock, err := m.Acquire(s)(ctx)
				if err != nil {
					return effect.Void{}, err
				}
				return work(context.WithValue(ctx, lockOfContext{}, lock))
			}
		})
	},
	"TryAcquire": func(m *mutex.Mutex, work effect.Effect[effect.Void]) effect.Effect[effect.Void] {
		return effect.Scoped(func(s *effect.Scope) effect.Effect[effect.Void] {
			return func(ctx context.Context) (effect.Void, error) {
				got, err := m.TryAcquire(s)(ctx)
				lock, ok := option.Unwrap(got)
				if err != nil || !ok {
					return effect.Void{}, err
				}
				return work(context.WithValue(ctx, lockOfContext{}, lock))
			}
		})
	},
}

type lockOfContext struct{}

// lockOf returns the lock under which work runs, in whatever way it was acquired.
func lockOf(ctx context.Context) *mutex.KeepAlive {
	if lock, ok := ctx.Value(lockOfContext{}).(*mutex.KeepAlive); ok {
		return lock
	}
	lock, _ := mutex.FromContext(ctx)
	return lock
}

// nothing is work that does nothing.
var nothing = effect.Succeed(effect.Void{})

// neverRuns is work under a lock that nobody gets.
func neverRuns(t *testing.T) effect.Effect[effect.Void] {
	t.Helper()
	return func(context.Context) (effect.Void, error) {
		assert.Fail(t, "the work runs")
		return effect.Void{}, nil
	}
}

// operations are all the operations that a mutex uses.
func operations(work effect.Effect[effect.Void]) map[string]func(m *mutex.Mutex) effect.Effect[effect.Void] {
	all := map[string]func(m *mutex.Mutex) effect.Effect[effect.Void]{
		"IsLocked": func(m *mutex.Mutex) effect.Effect[effect.Void] { return ignoring(m.IsLocked) },
		"Holder":   func(m *mutex.Mutex) effect.Effect[effect.Void] { return ignoring(m.Holder) },
	}
	for way, acquire := range acquiring {
		all[way] = func(m *mutex.Mutex) effect.Effect[effect.Void] { return acquire(m, work) }
	}
	return all
}

// ignoring discards the result of an effect.
func ignoring[A any](e effect.Effect[A]) effect.Effect[effect.Void] {
	return effect.As[A](effect.Void{})(e)
}

func isSome[A any](o option.Option[A]) bool { return option.IsSome(o) }

// everywhere runs a test in memory and on a server. Each result of process stands for another
// process.
func everywhere(t *testing.T, test func(a *arena, process func() backing.Backing)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		b := memory.New()
		test(newArena(t), func() backing.Backing { return b })
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		s := sharedStore(t)
		test(s.arena, func() backing.Backing { return s.process() })
		s.assertFree()
	})
}
