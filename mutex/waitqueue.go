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
	grant   grant // the last one from the store
	lease   lease // of the accepted grant; a field, to save an allocation

	waits      bool      // the lock is not free, or other waiters of this process come first
	unanswered time.Time // when a request was sent that has no answer, or zero

	// The mutex of the wait queue guards the rest:
	todo turn.Do       // the next action, or Nothing
	wake chan struct{} // receives a value per wake-up; nil before the waiter first sleeps
}

// grant is the store's answer to a request that was sent at start. The lease is counted
// from then.
type grant struct {
	backing.Grant
	start time.Time
}

// step reports an event to package turn. It hands each waiter its action, and returns the
// caller's.
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

// isUnqueued reports whether the store currently refuses to queue waiters.
func (q *waitQueue) isUnqueued() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.state.Unqueued
}

// freed reports that the holder no longer has the lock.
func (q *waitQueue) freed(holder string) {
	q.step(turn.Event{Kind: turn.Freed, Holder: turn.Holder{ID: holder}})
}

func ownerOf(a turn.Action) *waiter { return a.Waiter.Owner.(*waiter) }

// wakeTo sets the waiter's next action and wakes it. It may replace an earlier action, but
// never Ask or Accept: package turn gives a waiter nothing else until it has done those.
func (w *waiter) wakeTo(do turn.Do) {
	w.todo = do
	if w.wake != nil {
		select {
		case w.wake <- struct{}{}:
		default: // a wake-up is pending already
		}
	}
}

func (m *Mutex) newWaiter(c backing.Claim) *waiter {
	w := &waiter{m: m, claim: c, arrived: time.Now()}
	w.Holder, w.PollEvery, w.Owner = permitsOf(c), m.retryInterval, w
	return w
}

// permitsOf returns the holder of a claim with its permits: one for a mutex.
func permitsOf(c backing.Claim) turn.Holder { return turn.Holder{ID: c.Holder, Permits: 1} }

func (w *waiter) step(kind turn.Kind) turn.Action {
	return w.m.waitQueue.step(turn.Event{Kind: kind, Waiter: &w.Waiter})
}

// backing returns the waiter as the store sees it. A wake-up makes it ask, but proves
// nothing: the store may wake it late, twice, or while another holder has the lock.
func (w *waiter) backing() backing.Waiter {
	return backing.Waiter{Claim: w.claim, Wake: func() { w.step(turn.Woken) }}
}

// next returns the waiter's next action. If there is none, it also returns when the waiter
// stops sleeping, zero for never, and whether it must poll.
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

// sleep waits until t, if t is not zero, or until the waiter is woken. It fails if ctx ends
// first.
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
