package mutex

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
)

func TestALeaseIsReliedOnForALittleLessThanItsTTL(t *testing.T) {
	t.Parallel()
	for ttl, want := range map[time.Duration]time.Duration{
		time.Millisecond:       890 * time.Microsecond,
		10 * time.Millisecond:  8900 * time.Microsecond,
		100 * time.Millisecond: 98 * time.Millisecond,
		time.Second:            989 * time.Millisecond,
		30 * time.Second:       29699 * time.Millisecond,
	} {
		assert.Equal(t, want, validity(ttl), "of %v", ttl)
	}
}

// leaseOf is a lease that the keeper has not been told of.
func leaseOf(m *Mutex, start time.Time) *lease {
	w := m.newWaiter(backing.Claim{Key: "k", Holder: "h", TTL: m.ttl})
	w.arrived, w.grant = start, grant{backing.Grant{Token: 1}, start}
	return w.lease.begin(w, start)
}

// The timer may be late, when the process is starved: the clock alone decides.
func TestALeaseIsLostByTheClockThoughItsTimerNeverFires(t *testing.T) {
	t.Parallel()
	m, err := New(memory.New(), "k", Config{})
	require.NoError(t, err)
	start := time.Now()
	unwatched := func() *lease { return leaseOf(m, start) }
	end := start.Add(validity(m.ttl))

	l := unwatched()
	assert.Nil(t, l.lossBy(end.Add(-1)))
	lost := l.lossBy(end)
	require.NotNil(t, lost)
	assert.Equal(t, Expired, lost.Reason)
	assert.Same(t, lost, l.lossBy(start), "lost once, lost for good")

	l = unwatched()
	l.deadline = time.Now()
	assert.NotNil(t, l.extend(time.Now(), time.Now()))
	assert.NotNil(t, l.lossBy(start), "a refresh that was answered after the deadline is too late")

	l = unwatched()
	assert.Nil(t, l.settle(end.Add(-1)))
	assert.Nil(t, l.lossBy(end), "what is being released no longer expires")
}

func TestWorkThatEndsAfterTheDeadlineHasLostThoughNoTimerHasFired(t *testing.T) {
	t.Parallel()
	m, err := New(memory.New(), "k", Config{})
	require.NoError(t, err)
	_, err = WithLock(m, func(ctx context.Context) (effect.Void, error) {
		k, _ := FromContext(ctx)
		k.lease.mu.Lock()
		defer k.lease.mu.Unlock()
		k.lease.deadline = time.Now() // the keeper's timer is not due for long
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
	l.work.parent, l.work.lock = t.Context(), &KeepAlive{lease: l}
	l.cancelOnLoss()
	assert.Equal(t, l.lost, context.Cause(&l.work))
}

// The keeper has the lease before the goroutine that acquired it reports so.
func TestHazard64_AcquiredIsReportedFirstThoughTheLossIsNoticedBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var kinds []EventKind
		l := leaseOf(newTestMutex(t, Config{Observer: func(e Event) { kinds = append(kinds, e.Kind) }}), time.Now())
		require.Error(t, l.lose(Taken, nil))
		synctest.Wait()
		l.announce()
		assert.Equal(t, []EventKind{Acquired, Lost}, kinds)
	})
}

func TestVerdict(t *testing.T) {
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
			err := verdict(c.ctx, held, c.work, c.lost)
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

// The scope closes before the goroutine that acquired has told the keeper.
func TestALeaseWhoseFiberWasStoppedBeforeItWasKeptIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	m, err := New(memory.New(), "k", Config{})
	require.NoError(t, err)
	l := leaseOf(m, time.Now())
	_, err = effect.Scoped(func(s *effect.Scope) effect.Effect[effect.Void] {
		return func(context.Context) (effect.Void, error) {
			require.NoError(t, l.fiber.Start(s, l))
			time.AfterFunc(time.Millisecond, func() { m.keeper.keep(l, time.Now().Add(time.Hour)) })
			return effect.Void{}, nil
		}
	})(t.Context())
	require.NoError(t, err)
	exit, ended := option.Unwrap(l.fiber.Fiber().Poll())
	assert.True(t, ended && exit.IsInterruption())
}
