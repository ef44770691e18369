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
	l := w.lease.begin(w, start)
	l.handle.lease = l
	return l
}

// expire lets the deadline pass while no timer fires, as on a machine that stood still.
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

func TestAWorkIsCancelledThoughTheLockWasLostBeforeItBegan(t *testing.T) {
	t.Parallel()
	m, err := New(memory.New(), "k", Config{})
	require.NoError(t, err)
	l := leaseOf(m, time.Now())
	require.Error(t, l.lose(Taken, nil))
	assert.Equal(t, l.lost, context.Cause(l.works(t.Context())))
}

// The renewer has the lease before the goroutine that acquired it reports so.
func TestHazard64_AcquiredIsReportedFirstThoughTheLossIsNoticedBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var kinds []EventKind
		l := leaseOf(newTestMutex(t, Config{Observer: func(e Event) { kinds = append(kinds, e.Kind) }}), time.Now())
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
