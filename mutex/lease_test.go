package mutex

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
)

// leaseOf is a lease that is not kept alive.
func leaseOf(m *Mutex, start time.Time) *lease {
	w := m.newWaiter(backing.Claim{Key: "k", Holder: "h", TTL: m.ttl})
	w.arrived, w.grant = start, grant{backing.Grant{Token: 1}, start}
	l := w.lease.begin(context.Background(), w, start)
	l.handle.lease = l
	return l
}

// expire lets the deadline pass while no timer fires, as on a machine that was paused.
func (l *lease) expire() { l.Init(l.m.renewer, l.Claim, time.Now().Add(-l.m.ttl), l) }

func TestWorkThatEndsAfterTheDeadlineHasLostThoughNoTimerHasFired(t *testing.T) {
	t.Parallel()
	m, err := New(memory.New(), "k", Config{})
	require.NoError(t, err)
	_, err = WithLock(m, func(ctx context.Context) (effect.Void, error) {
		k, _ := FromContext(ctx)
		k.lease.expire()
		return effect.Void{}, nil
	})(t.Context())
	var lost *LockLostError
	require.ErrorAs(t, err, &lost)
	assert.Equal(t, Expired, lost.Reason)
}

// The renewer has the lease before the goroutine that acquired it reports that.
func TestHazard64_AcquiredIsReportedFirstThoughTheLossIsNoticedBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var kinds []EventKind
		l := leaseOf(newTestMutex(t, Config{Observer: Observe(func(e Event) { kinds = append(kinds, e.Kind) })}), time.Now())
		require.Error(t, l.lose(Taken, nil))
		synctest.Wait()
		l.deliverAll()
		assert.Equal(t, []EventKind{Acquired, Lost}, kinds)
	})
}

func TestTheResultOfWorkUnderALockThatIsLostOrNot(t *testing.T) {
	t.Parallel()
	lost, errWork := &LockLostError{Key: "k", Reason: Expired}, errors.New("work")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name                       string
		ctx                        context.Context
		work                       error
		lost                       *LockLostError
		isWork, isLost, isCanceled bool
	}{
		{"success", t.Context(), nil, nil, false, false, false},
		{"failure", t.Context(), errWork, nil, true, false, false},
		{"loss", t.Context(), nil, lost, false, true, false},
		{"failure and loss", t.Context(), errWork, lost, true, true, false},
		{"cancelled by the loss", t.Context(), context.Canceled, lost, false, true, false},
		{"cancelled by the caller", cancelled, context.Canceled, nil, false, false, true},
		{"cancelled by the caller, and lost", cancelled, context.Canceled, lost, false, true, true},
		{"success as the caller cancels", cancelled, nil, nil, false, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			held, cancel := context.WithCancelCause(c.ctx)
			cancel(lost)
			err := result(c.ctx, held, c.work, c.lost)
			assert.Equal(t, c.isWork, errors.Is(err, errWork))
			assert.Equal(t, c.isCanceled, errors.Is(err, context.Canceled))
			var l *LockLostError
			assert.Equal(t, c.isLost, errors.As(err, &l))
			assert.Equal(t, c.isWork || c.isLost || c.isCanceled, err != nil)
		})
	}
}

func TestALineIsForgottenWithTheLastMutexOfItsLock(t *testing.T) {
	store := memory.New()
	k := lock{store, "k"}
	isOpen := func() bool {
		waitQueues.mu.Lock()
		defer waitQueues.mu.Unlock()
		_, ok := waitQueues.made[k]
		return ok
	}
	a, err := New(store, "k", Config{})
	require.NoError(t, err)
	b, err := New(store, "k", Config{TTL: time.Second})
	require.NoError(t, err)
	other, err := New(store, "another", Config{})
	require.NoError(t, err)
	assert.Same(t, a.waitQueue, b.waitQueue)
	assert.NotSame(t, a.waitQueue, other.waitQueue)

	runtime.GC()
	assert.True(t, isOpen(), "it is in use")
	runtime.KeepAlive(a)
	runtime.KeepAlive(b)
	assert.Eventually(t, func() bool { runtime.GC(); return !isOpen() }, 10*time.Second, time.Millisecond)
}

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
					// Both have ended; only a caller that checked in between could see which came first.
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

// The timer has not run yet, as on a machine that was paused.
func TestAHeldContextThatIsLookedAtAfterTheDeadlineHasEnded(t *testing.T) {
	t.Parallel()
	for name, look := range map[string]func(context.Context){
		"Err":  func(ctx context.Context) { assert.ErrorIs(t, ctx.Err(), context.Canceled) },
		"Done": func(ctx context.Context) { <-ctx.Done() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := leaseOf(newTestMutex(t, Config{}), time.Now())
			require.NoError(t, l.startWork(t.Context()).Err())
			l.expire()
			look(&l.work)
			var lost *LockLostError
			require.ErrorAs(t, context.Cause(&l.work), &lost)
			assert.Equal(t, Expired, lost.Reason)
		})
	}
}

// Checking the inner context also checks the outer one, under mutexes of the inner lease:
// the observer is called with the outer loss on another goroutine.
func TestAnObserverMayAskTheContextOfAnotherLock(t *testing.T) {
	t.Parallel()
	answers := make(chan error, 1)
	inner := leaseOf(newTestMutex(t, Config{}), time.Now())
	outer := leaseOf(newTestMutex(t, Config{Observer: func(_ context.Context, e Event) {
		if e.Kind == Lost {
			answers <- inner.work.Err()
		}
	}}), time.Now())
	inner.startWork(outer.startWork(t.Context()))
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

func newTestMutex(t *testing.T, c Config) *Mutex {
	t.Helper()
	m, err := New(memory.New(), "k", c)
	require.NoError(t, err)
	return m
}
