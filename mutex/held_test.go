package mutex

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing/memory"
)

type heldKey struct{}

// The same steps on a context of the standard library end in the same state.
func TestAHeldContextIsAContextWithACancelCause(t *testing.T) {
	t.Parallel()
	errLost, errParent := errors.New("lost"), errors.New("parent")
	look := map[string]func(context.Context){
		"nobody looked":   func(context.Context) {},
		"Done was asked":  func(c context.Context) { c.Done() },
		"it has a child":  func(c context.Context) { _, cancel := context.WithCancel(c); t.Cleanup(cancel) },
		"Err was asked":   func(c context.Context) { _ = c.Err() },
		"Value was asked": func(c context.Context) { c.Value(heldKey{}) },
	}
	steps := map[string]func(parent context.CancelCauseFunc, own func(error)){
		"it goes on":               func(context.CancelCauseFunc, func(error)) {},
		"the work is over":         func(_ context.CancelCauseFunc, own func(error)) { own(nil) },
		"the lock is lost":         func(_ context.CancelCauseFunc, own func(error)) { own(errLost) },
		"lost, and then over":      func(_ context.CancelCauseFunc, own func(error)) { own(errLost); own(nil) },
		"the caller leaves":        func(parent context.CancelCauseFunc, _ func(error)) { parent(errParent) },
		"the caller leaves first":  func(parent context.CancelCauseFunc, own func(error)) { parent(errParent); own(errLost) },
		"lost before the caller's": func(parent context.CancelCauseFunc, own func(error)) { own(errLost); parent(errParent) },
	}
	for step, take := range steps {
		for looked, before := range look {
			t.Run(step+", "+looked, func(t *testing.T) {
				t.Parallel()
				start := func(begin func(context.Context) (context.Context, func(error))) context.Context {
					deadline, cancel := context.WithTimeout(context.WithValue(t.Context(), heldKey{}, "v"), time.Hour)
					t.Cleanup(cancel)
					parent, end := context.WithCancelCause(deadline)
					ctx, own := begin(parent)
					before(ctx)
					take(end, own)
					return ctx
				}
				want := start(func(p context.Context) (context.Context, func(error)) {
					ctx, cancel := context.WithCancelCause(p)
					return ctx, func(err error) { cancel(err) }
				})
				got := start(func(p context.Context) (context.Context, func(error)) {
					c := &heldContext{parent: p, lock: &leaseOf(newTestMutex(t, Config{}), time.Now()).handle}
					return c, c.end
				})
				if step == "the caller leaves first" && looked != "Done was asked" && looked != "it has a child" {
					// Both have ended; which came first shows only to those who looked.
					require.ErrorIs(t, got.Err(), context.Canceled)
					return
				}
				assert.Equal(t, want.Err(), got.Err())
				assert.Equal(t, context.Cause(want), context.Cause(got))
				assert.Equal(t, "v", got.Value(heldKey{}))
				_, ok := got.Deadline()
				assert.True(t, ok)
				child, cancel := context.WithCancel(got)
				defer cancel()
				assert.Equal(t, context.Cause(want), context.Cause(child))
				select {
				case <-got.Done():
					assert.Error(t, want.Err())
				default:
					assert.NoError(t, want.Err())
				}
			})
		}
	}
}

// The timer has not run yet, as on a machine that stood still.
func TestAHeldContextThatIsLookedAtAfterTheDeadlineHasEnded(t *testing.T) {
	t.Parallel()
	for name, look := range map[string]func(context.Context){
		"Err":  func(ctx context.Context) { assert.ErrorIs(t, ctx.Err(), context.Canceled) },
		"Done": func(ctx context.Context) { <-ctx.Done() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := leaseOf(newTestMutex(t, Config{}), time.Now())
			require.NoError(t, l.works(t.Context()).Err())
			l.expire()
			look(&l.work)
			var lost *LockLostError
			require.ErrorAs(t, context.Cause(&l.work), &lost)
			assert.Equal(t, Expired, lost.Reason)
		})
	}
}

// To look at the inner context is to look at the outer one as well, under mutexes of
// the inner lease: the observer is told of the outer loss elsewhere.
func TestAnObserverMayAskTheContextOfAnotherLock(t *testing.T) {
	t.Parallel()
	answers := make(chan error, 1)
	inner := leaseOf(newTestMutex(t, Config{}), time.Now())
	outer := leaseOf(newTestMutex(t, Config{Observer: func(e Event) {
		if e.Kind == Lost {
			answers <- inner.work.Err()
		}
	}}), time.Now())
	inner.works(outer.works(t.Context()))
	outer.expire()
	inner.expire()
	go inner.work.Done()
	select {
	case err := <-answers:
		assert.ErrorIs(t, err, context.Canceled)
	case <-time.After(10 * time.Second):
		require.FailNow(t, "it waits for a mutex")
	}
}

// works lets work run under the lease.
func (l *lease) works(ctx context.Context) *heldContext {
	return l.startWork(ctx)
}

func newTestMutex(t *testing.T, c Config) *Mutex {
	t.Helper()
	m, err := New(memory.New(), "k", c)
	require.NoError(t, err)
	return m
}
