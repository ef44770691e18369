package memory

import (
	"container/list"
	"context"
	"time"

	"github.com/effectlock/effectlock/backing"
)

// Enqueue implements [backing.Queue].
//
// A waiter is woken by whichever goroutine frees the key with Release or Pass, or finds
// with Enqueue that its lease has expired. That happens before the call returns and
// without a mutex held, so Wake may use the Backing. No wake-up comes too early or gets
// lost, and the key is kept for the waiter for its whole TTL: nothing can be paused here
// but the process with all its holders.
//
// AskAgain is what is left of the holder's lease, at least a millisecond: nobody is
// woken when it expires. It is never more than w.TTL, because a shorter lease may
// follow a long one.
func (b *Backing) Enqueue(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	outcome, wake := b.enqueue(w)
	wake.call()
	return outcome, nil
}

func (b *Backing) enqueue(w backing.Waiter) (backing.Outcome, wakeUp) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Since(b.created)

	held, ok := b.lease(w.Key, now)
	switch {
	case b.isReleased(w.Claim, now):
		return backing.Refused{}, nil
	case ok && held.holder == w.Holder:
		return granted(b.extend(w.Claim, held, now)), nil
	case ok:
		return b.wait(w, held, now), nil
	case held.queue == nil:
		return granted(b.give(w.Claim, nil, now)), nil
	default:
		return b.giveFirstBefore(w, held, now)
	}
}

// wait puts w in the queue for a key, and says when to ask again.
func (b *Backing) wait(w backing.Waiter, held lease, now time.Duration) backing.Outcome {
	held.queue = held.queue.with(w)
	b.leases[w.Key] = held
	return backing.Queued{AskAgain: max(time.Millisecond, min(held.expires-now, w.TTL))}
}

// giveFirst gives a key that is free to the first of its queue.
func (b *Backing) giveFirst(waiting *queue, now time.Duration) wakeUp {
	first := waiting.first()
	b.give(first.Claim, waiting, now)
	return first.Wake
}

// giveFirstBefore gives a key that is free to the first of its queue when w
// has its place in it. If w is that first, the outcome says so, and it is not woken.
func (b *Backing) giveFirstBefore(w backing.Waiter, held lease, now time.Duration) (backing.Outcome, wakeUp) {
	waiting := held.queue.with(w)
	if waiting.first().Holder == w.Holder {
		return granted(b.give(w.Claim, waiting, now)), nil
	}
	wake := b.giveFirst(waiting, now)
	return b.wait(w, b.leases[w.Key], now), wake
}

func granted(g backing.Grant) backing.Outcome { return backing.Granted{Grant: g} }

// wakeUp is what must be called once the mutex is free again, or nil.
type wakeUp func()

func (w wakeUp) call() {
	if w != nil {
		w()
	}
}

// queue is the line of the waiters for one key; nil is the empty one. A map
// beside the list spares those who leave or ask again, and everybody else who
// needs the mutex, a search through thousands.
type queue struct {
	line   list.List // of backing.Waiter
	places map[string]*list.Element
}

func (q *queue) has(holder string) bool {
	return q != nil && q.places[holder] != nil
}

func (q *queue) first() backing.Waiter {
	return q.line.Front().Value.(backing.Waiter)
}

// with adds w at the end. If it is there already, it keeps its place; what it
// says this time counts.
func (q *queue) with(w backing.Waiter) *queue {
	if q == nil {
		q = &queue{places: make(map[string]*list.Element)}
	}
	if place := q.places[w.Holder]; place != nil {
		place.Value = w
		return q
	}
	q.places[w.Holder] = q.line.PushBack(w)
	return q
}

func (q *queue) without(holder string) *queue {
	if !q.has(holder) {
		return q
	}
	q.line.Remove(q.places[holder])
	delete(q.places, holder)
	if q.line.Len() == 0 {
		return nil
	}
	return q
}
