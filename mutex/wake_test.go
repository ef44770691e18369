package mutex_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// wakes hands out the wake-up of each waiter that the store is asked to queue.
func wakes(s *queued) <-chan func() {
	wake := make(chan func(), 100)
	setHook(s, &s.enqueue, func(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
		wake <- w.Wake
		return s.real().Enqueue(ctx, w)
	})
	return wake
}

func TestAWakeUpIsNotAGrant(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]mutex.Config{"with a random holder id": {}, "with a given holder id": {HolderID: "job"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, d := newQueued(), &diary{}
				s.take(t)
				wake := wakes(s)
				waiter := locker(t, newMutex(t, s, c), d.entry(t, "waiter", sleep(0)))
				arrived()
				for range 10 {
					(<-wake)()
					arrived()
					assert.Empty(t, d.who, "another holder has the lock")
				}
				assert.Equal(t, 1+10, s.called("enqueue"), "one question for each")
				s.releaseAs(t, "somebody else")
				join(t, waiter)
				assert.Equal(t, []string{"waiter"}, d.who)
			})
		})
	}
}

func TestAWakeUpThatIsDoubledOrLateCostsAQuestionAtMost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		s.take(t)
		wake := wakes(s)
		m := newMutex(t, s, mutex.Config{})
		leave, _ := leaver(t, m)
		arrived()
		wakeLeaver := <-wake
		leave()

		ctx, end := context.WithCancel(t.Context())
		holder, err := effect.Fork(mutex.WithLock(m, sleep(time.Hour)))(ctx)
		require.NoError(t, err)
		arrived()
		wakeHolder := <-wake
		asked := s.requests()
		wakeLeaver()
		arrived()
		assert.Equal(t, asked, s.requests(), "it has left")

		wakeHolder()
		wakeHolder()
		arrived()
		assert.LessOrEqual(t, s.requests(), asked+2)

		s.releaseAs(t, "somebody else")
		arrived()
		asked = s.requests()
		wakeHolder()
		wakeLeaver()
		arrived()
		assert.Equal(t, asked, s.requests(), "it has the lock")

		next := locker(t, m, sleep(0))
		arrived()
		wakeHolder()
		arrived()
		assert.Equal(t, asked, s.requests(), "a holder of this process has the lock")
		end()
		_, err = holder.Join()(t.Context())
		require.ErrorIs(t, err, context.Canceled)
		join(t, next)
	})
}

// The wake-up comes long after the place in the queue, and the answer to the request
// that follows is late, too.
func TestTheLeaseOfAWokenWaiterIsCountedFromItsOwnRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		s.take(t)
		s.refresh = func(context.Context, backing.Claim) (bool, error) { return false, errStore }
		cancelled := make(chan time.Time, 1)
		waiter := locker(t, newMutex(t, s, mutex.Config{}), untilCancelled(cancelled))
		arrived()
		var asked time.Time
		setHook(s, &s.enqueue, func(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
			asked = time.Now()
			outcome, err := s.real().Enqueue(ctx, w)
			time.Sleep(time.Second)
			return outcome, err
		})
		time.Sleep(20 * time.Second)
		s.releaseAs(t, "somebody else")
		_, err := waiter.Join()(t.Context())
		requireLost(t, err, mutex.Expired)
		held := (<-cancelled).Sub(asked)
		assert.Less(t, held, ttl)
		assert.Greater(t, held, ttl*98/100)
	})
}

// The waiter is woken before it knows that it was queued.
func TestAWakeUpThatOvertakesAnAnswerIsKept(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]func(*testing.T, *queued){
		"to the request that queued it": func(t *testing.T, s *queued) {
			t.Helper()
			setHook(s, &s.enqueue, func(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
				setHook(s, &s.enqueue, nil)
				outcome, err := s.real().Enqueue(ctx, w)
				s.releaseAs(t, "rival")
				time.Sleep(time.Second)
				return outcome, err
			})
		},
		"to a handover that yields": func(t *testing.T, s *queued) {
			t.Helper()
			setHook(s, &s.pass, func(ctx context.Context, from backing.Claim, next backing.Waiter, _ bool) (backing.Outcome, error) {
				outcome, err := s.real().Pass(ctx, from, next, true)
				s.releaseAs(t, "rival")
				time.Sleep(time.Second)
				return outcome, err
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newQueued()
				m := newMutex(t, s, mutex.Config{})
				var fibers []*effect.Fiber[effect.Void]
				if name == "to a handover that yields" {
					fibers = append(fibers, locker(t, m, sleep(time.Second)))
					arrived()
				}
				rival(t, s, func() {})
				late(t, s)
				began := time.Now()
				join(t, append(fibers, locker(t, m, sleep(0)))...)
				assert.LessOrEqual(t, time.Since(began), 2*time.Second)
				s.requireFree(t)
			})
		})
	}
}

func TestAWaiterThatTheStoreRefusesFailsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		s.take(t)
		m := newMutex(t, s, mutex.Config{})
		waiting := make(chan backing.Waiter, 10)
		setHook(s, &s.enqueue, func(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
			waiting <- w
			return s.real().Enqueue(ctx, w)
		})
		waiter := locker(t, m, sleep(0))
		arrived()
		w := <-waiting
		s.releaseAs(t, w.Holder) // by hand, though it does not have the lock
		w.Wake()
		_, err := waiter.Join()(t.Context())
		var failed *mutex.MutexBackingError
		require.ErrorAs(t, err, &failed)
		assert.Equal(t, "tryAcquire", failed.Operation)
		assert.Equal(t, 2, s.called("enqueue"))
		s.releaseAs(t, "somebody else")
		s.requireFree(t)
	})
}
