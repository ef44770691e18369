package mutex_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

// notes keeps the waiter that was queued last.
func (s *store) notes() *backing.Waiter {
	var asked backing.Waiter
	s.on(func(ctx context.Context, r *request) error {
		asked = r.waiter
		return r.send(ctx)
	}, "enqueue")
	return &asked
}

func TestAWakeUpIsNotAGrant(t *testing.T) {
	each(t, map[string]mutex.Config{"with a random holder id": {}, "with a given holder id": {HolderID: "job"}}, func(t *testing.T, c mutex.Config) {
		s, d := newQueued(), &diary{}
		s.take()
		asked := s.notes()
		waiter := locker(t, newMutex(t, s, c), d.entry(t, "waiter", sleep(0)))
		for range 10 {
			asked.Wake()
			synctest.Wait()
			assert.Empty(t, d.who, "another holder has the lock")
		}
		assert.Equal(t, 1+10, s.called(), "one question for each")
		s.free("somebody else")
		join(t, waiter)
		assert.Equal(t, []string{"waiter"}, d.who)
	})
}

func TestAWaiterThatTheStoreRefusesFailsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		s.take()
		asked := s.notes()
		waiter := locker(t, newMutex(t, s, mutex.Config{}), sleep(0))
		s.free(asked.Holder) // by hand, though it does not have the lock
		asked.Wake()
		_, err := waiter.Join()(t.Context())
		requireFailed(t, err, "tryAcquire")
		assert.Equal(t, 2, s.called("enqueue"))
		s.free("somebody else")
		s.requireFree(t)
	})
}

func TestAStoreThatQueuesNobodyIsPolledAndTheObserverKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := newQueued(), recorder{}
		s.take()
		errUnsubscribed, began := errors.New("unsubscribed"), time.Now()
		s.on(func(ctx context.Context, r *request) error {
			if time.Since(began) > 10*time.Second {
				return r.send(ctx)
			}
			r.answer = backing.MustPoll{Why: errUnsubscribed}
			return nil
		}, "enqueue")
		waiter := locker(t, newMutex(t, s, mutex.Config{Observer: mutex.Observe(r.observe)}), sleep(0))
		time.Sleep(time.Minute)
		assert.Equal(t, 101+2, s.called("enqueue"), "every 100 ms for 10 s, and then in the queue, where it shows after 30 s that it lives")
		polling := r.of(mutex.Polling)
		require.Len(t, polling, 1)
		assert.Equal(t, errUnsubscribed, polling[0].Err)
		s.free("somebody else")
		join(t, waiter)
	})
}

// blind handles a yielding handover as a store that cannot wake other processes does: it frees
// the lock for waiters that poll. It does so the first n times.
func (s *store) blind(n int) fault {
	return func(ctx context.Context, r *request) error {
		if !r.yield || n == 0 {
			return r.send(ctx)
		}
		n--
		s.free(r.claim.Holder)
		r.answer = backing.MustPoll{}
		return nil
	}
}

// crowd runs n goroutines that do nothing but lock, all with one effect, until ctx ends. It
// counts their turns.
func crowd(ctx context.Context, t *testing.T, s *store, n int, work time.Duration) *atomic.Int64 {
	t.Helper()
	var turns, inside atomic.Int64
	locked := mutex.WithLock(newMutex(t, s, mutex.Config{}), func(ctx context.Context) (effect.Void, error) {
		assert.EqualValues(t, 1, inside.Add(1), "two holders at once")
		defer inside.Add(-1)
		turns.Add(1)
		return sleep(work)(ctx)
	})
	for range n {
		_, err := effect.Fork(effect.Repeat[effect.Void](schedule.Forever())(locked))(ctx)
		require.NoError(t, err)
	}
	return &turns
}

// In a store that cannot wake waiters, a process that always has a waiter of its own
// leaves the lock free from time to time, for long enough that a poll finds it.
func TestAProcessThatPollsHasItsTurnBesideABusyOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := newQueued()
		patient := busy.anotherProcess()
		busy.unqueued, patient.unqueued = true, true
		busy.on(busy.blind(-1), "pass")
		ctx, stop := context.WithCancel(t.Context())
		turns := crowd(ctx, t, busy, 3, 10*time.Millisecond)
		m := newMutex(t, patient, mutex.Config{})
		for range 20 {
			time.Sleep(3 * time.Millisecond)
			began := time.Now()
			_, err := mutex.WithLock(m, sleep(0))(t.Context())
			require.NoError(t, err)
			require.Less(t, time.Since(began), 1100*time.Millisecond, "8 intervals, the last section, a rest of one and a quarter")
		}
		time.Sleep(10 * time.Second)
		before := turns.Load()
		time.Sleep(10 * time.Second)
		assert.Greater(t, turns.Load()-before, int64(800), "of a thousand: to rest costs little")
		stop()
		synctest.Wait()
	})
}

// While waiters poll, a lock is rarely yielded. That must end when the store queues them.
func TestAProcessYieldsAsOftenAsOthersOnceTheStoreQueuesItsWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := newQueued()
		other := one.anotherProcess()
		one.on(one.blind(1), "pass")
		ctx, stop := context.WithCancel(t.Context())
		first := crowd(ctx, t, one, 20, time.Millisecond)
		time.Sleep(time.Second)
		first.Store(0)
		second := crowd(ctx, t, other, 20, time.Millisecond)
		time.Sleep(10 * time.Second)
		assert.InDelta(t, first.Load(), second.Load(), 1500)
		stop()
		synctest.Wait()
		time.Sleep(time.Minute)
	})
}
