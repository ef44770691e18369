package mutex

import (
	"context"
	"sync"
	"time"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/turn"
)

// waitQueue carries out what package turn decides for the waiters of one lock in this
// process, whatever [Mutex] they use.
type waitQueue struct {
	mu    sync.Mutex
	state turn.State
}

// waiter is one acquisition.
type waiter struct {
	turn.Waiter
	m       *Mutex
	claim   backing.Claim
	arrived time.Time
	grant   grant // once it has asked with success, or was handed the lock
	lease   lease // one allocation for both

	// Under the mutex of the wait queue:
	todo turn.Do       // what is to be done next, if anything
	wake chan struct{} // nil before the waiter first sleeps
}

// grant is what the store gave in answer to a request that was sent at start. The
// lease is counted from then.
type grant struct {
	backing.Grant
	start time.Time
}

// step reports an event. It gives the waiters the actions that are for them, and returns
// the one that is for the caller.
func (q *waitQueue) step(e turn.Event) (mine turn.Action) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, a := range q.state.Step(time.Now(), e) {
		switch a.Do {
		case turn.Ask, turn.Sleep, turn.Accept:
			ownerOf(a).wakeTo(a.Do)
		default:
			mine = a
		}
	}
	return mine
}

// isUnqueued reports whether the store refuses to queue waiters at present.
func (q *waitQueue) isUnqueued() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.state.Unqueued
}

// freed reports that the holder does not have the lock any more.
func (q *waitQueue) freed(holder string) {
	q.step(turn.Event{Kind: turn.Freed, Holder: turn.Holder{ID: holder}})
}

func ownerOf(a turn.Action) *waiter { return a.Waiter.Owner.(*waiter) }

// wakeTo replaces what was to be done before: the step gives a waiter nothing else while it
// asks, or has a grant to accept.
func (w *waiter) wakeTo(do turn.Do) {
	w.todo = do
	if w.wake != nil {
		select {
		case w.wake <- struct{}{}:
		default: // it is awake already
		}
	}
}

func (m *Mutex) newWaiter(c backing.Claim) *waiter {
	w := &waiter{m: m, claim: c, arrived: time.Now()}
	w.Holder, w.PollEvery, w.Owner = permitsOf(c), m.retryInterval, w
	return w
}

// permitsOf is the holder of a claim, with its permits: one, for a mutex.
func permitsOf(c backing.Claim) turn.Holder { return turn.Holder{ID: c.Holder, Permits: 1} }

func (w *waiter) step(kind turn.Kind) turn.Action {
	return w.m.waitQueue.step(turn.Event{Kind: kind, Waiter: &w.Waiter})
}

// backing is the waiter as the store sees it. A wake-up makes it ask, and proves nothing:
// the store may wake it late, twice, or while another holder has the lock.
func (w *waiter) backing() backing.Waiter {
	return backing.Waiter{Claim: w.claim, Wake: func() { w.step(turn.Woken) }}
}

// next returns what the waiter is to do. If there is nothing, it also returns until when
// the waiter sleeps, zero for ever, and whether it must poll.
func (w *waiter) next() (do turn.Do, until time.Time, polls bool) {
	q := w.m.waitQueue
	q.mu.Lock()
	defer q.mu.Unlock()
	do, w.todo = w.todo, turn.Nothing
	if do != turn.Ask && do != turn.Accept && w.wake == nil {
		w.wake = make(chan struct{}, 1)
	}
	return do, w.Until, w.Phase == turn.Polling || w.m.queue == nil
}

// sleep waits until t, for ever if t is zero, or until the waiter is woken. It fails if ctx
// ends before that.
func (w *waiter) sleep(ctx context.Context, t time.Time) error {
	var alarm <-chan time.Time
	if !t.IsZero() {
		timer := time.NewTimer(time.Until(t))
		defer timer.Stop()
		alarm = timer.C
	}
	select {
	case <-w.wake:
		return nil
	case <-alarm:
		return nil
	case <-ctx.Done():
		return effect.Interrupted(ctx, nil)
	}
}
