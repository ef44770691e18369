package mutex_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errWork = errors.New("the work failed")

// each runs a test for each case, in virtual time.
func each[C any](t *testing.T, cases map[string]C, test func(t *testing.T, c C)) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, c) })
		})
	}
}

// way is a way to acquire the lock and release it at once. It yields false if the lock is not
// free.
type way = func(*mutex.Mutex) effect.Effect[bool]

var acquiring = map[string]way{
	"WithLock": func(m *mutex.Mutex) effect.Effect[bool] {
		return mutex.WithLock(m, effect.Succeed(true))
	},
	"WithLockIfAvailable": func(m *mutex.Mutex) effect.Effect[bool] {
		return effect.Map(option.IsSome[bool])(mutex.WithLockIfAvailable(m, effect.Succeed(true)))
	},
	"Do": func(m *mutex.Mutex) effect.Effect[bool] {
		return func(ctx context.Context) (bool, error) {
			err := m.Do(ctx, func(context.Context) error { return nil })
			return err == nil, err
		}
	},
	"TryDo": func(m *mutex.Mutex) effect.Effect[bool] {
		return func(ctx context.Context) (bool, error) {
			return m.TryDo(ctx, func(context.Context) error { return nil })
		}
	},
	"Aspect": func(m *mutex.Mutex) effect.Effect[bool] {
		return effect.With(effect.Succeed(true), m.Aspect())
	},
	"Acquire": func(m *mutex.Mutex) effect.Effect[bool] {
		return effect.Scoped(func(s *effect.Scope) effect.Effect[bool] {
			return effect.As[*mutex.KeepAlive](true)(m.Acquire(s))
		})
	},
	"TryAcquire": func(m *mutex.Mutex) effect.Effect[bool] {
		return effect.Scoped(func(s *effect.Scope) effect.Effect[bool] {
			return effect.Map(option.IsSome[*mutex.KeepAlive])(m.TryAcquire(s))
		})
	},
}

// sleep is work that takes time and heeds its context.
func sleep(d time.Duration) effect.Effect[effect.Void] { return effect.Sleep(d) }

// oblivious is work that takes time whatever happens to its context.
func oblivious(d time.Duration) effect.Effect[effect.Void] {
	return func(context.Context) (effect.Void, error) {
		time.Sleep(d) // in virtual time
		return effect.Void{}, nil
	}
}

// untilCancelled is work that ends with its context, and records when.
func untilCancelled(at *time.Time) effect.Effect[effect.Void] {
	return func(ctx context.Context) (effect.Void, error) {
		<-ctx.Done()
		*at = time.Now()
		return effect.Void{}, ctx.Err()
	}
}

// holderID is work that yields the id of the holder that it runs under.
func holderID(ctx context.Context) (string, error) {
	lock, ok := mutex.FromContext(ctx)
	if !ok {
		return "", errors.New("no lock in the context of the work")
	}
	return lock.HolderID(), nil
}

// locker locks in the background. It has the lock, or waits for it, when locker returns.
func locker(t *testing.T, m *mutex.Mutex, work effect.Effect[effect.Void]) *effect.Fiber[effect.Void] {
	t.Helper()
	return lockerIn(t.Context(), t, m, work)
}

func lockerIn(ctx context.Context, t *testing.T, m *mutex.Mutex, work effect.Effect[effect.Void]) *effect.Fiber[effect.Void] {
	t.Helper()
	f, err := effect.Fork(mutex.WithLock(m, work))(ctx)
	require.NoError(t, err)
	synctest.Wait()
	return f
}

func join(t *testing.T, fibers ...*effect.Fiber[effect.Void]) {
	t.Helper()
	for _, f := range fibers {
		_, err := f.Join()(t.Context())
		require.NoError(t, err)
	}
}

// leaver is a waiter that leaves when leave is called.
func leaver(t *testing.T, m *mutex.Mutex) (leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := lockerIn(ctx, t, m, func(context.Context) (effect.Void, error) {
		t.Error("it has left")
		return effect.Void{}, nil
	})
	return func() {
		cancel()
		_, err := f.Join()(t.Context())
		require.ErrorIs(t, err, context.Canceled)
	}
}

// holdMany holds n locks in one scope, and runs then in it. It yields the scope's error.
func holdMany(t *testing.T, s *store, n int, c mutex.Config, then func(context.Context, []*mutex.KeepAlive)) error {
	t.Helper()
	_, err := effect.Scoped(func(scope *effect.Scope) effect.Effect[effect.Void] {
		return func(ctx context.Context) (none effect.Void, err error) {
			locks := make([]*mutex.KeepAlive, n)
			for i := range locks {
				if locks[i], err = newMutexOf(t, s, fmt.Sprint("lock ", i), c).Acquire(scope)(ctx); err != nil {
					return none, err
				}
			}
			then(ctx, locks)
			return none, nil
		}
	})(t.Context())
	return err
}

// diary records who had the lock, in order.
type diary struct {
	mu     sync.Mutex
	who    []string
	tokens []uint64
	inside int
}

// entry is work that writes itself into the diary.
func (d *diary) entry(t *testing.T, who string, work effect.Effect[effect.Void]) effect.Effect[effect.Void] {
	t.Helper()
	return func(ctx context.Context) (effect.Void, error) {
		lock, ok := mutex.FromContext(ctx)
		require.True(t, ok)
		d.mu.Lock()
		d.who, d.tokens = append(d.who, who), append(d.tokens, lock.Token())
		d.inside++
		require.Equal(t, 1, d.inside, "two holders at once")
		d.mu.Unlock()
		defer func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.inside--
		}()
		return work(ctx)
	}
}

// recorder keeps the events of a mutex.
type recorder struct {
	mu     sync.Mutex
	events []mutex.Event
}

func (r *recorder) observe(e mutex.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *recorder) kinds() (kinds []mutex.EventKind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// of returns the events of one kind.
func (r *recorder) of(kind mutex.EventKind) (events []mutex.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Kind == kind {
			events = append(events, e)
		}
	}
	return events
}

// asA finds an error of a type.
func asA[E error](t *testing.T, err error) E {
	t.Helper()
	e, ok := errors.AsType[E](err)
	require.True(t, ok, "%v", err)
	return e
}

func requireA[E error](t *testing.T, err error) {
	t.Helper()
	_ = asA[E](t, err)
}

func requireLost(t *testing.T, err error, reason mutex.LossReason) {
	t.Helper()
	lost := asA[*mutex.LockLostError](t, err)
	require.Equal(t, reason, lost.Reason)
	require.NotEmpty(t, lost.Holder)
	require.NotErrorIs(t, err, context.Canceled, "nobody cancelled the caller")
	require.NotErrorIs(t, err, context.DeadlineExceeded, "nor had it a deadline")
	require.NotErrorAs(t, err, new(*mutex.MutexBackingError), "a handler for those must not take a loss for one")
}

func requireFailed(t *testing.T, err error, operation string) {
	t.Helper()
	failed := asA[*mutex.MutexBackingError](t, err)
	require.Equal(t, operation, failed.Operation)
	require.Equal(t, key, failed.Key)
}
