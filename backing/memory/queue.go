package memory

import (
	"container/list"
	"context"
	"time"

	"github.com/effectlock/effectlock/backing"
)

// Enqueue implements [backing.Queue].
//
// A waiter is woken on the goroutine that frees the key with Release or Pass, or finds with
// Enqueue that its lease has expired. Wake is called before that operation returns and with
// no mutex held, so it may use the Backing. No wake-up is early or lost. The key is kept
// for the waiter for its whole TTL: a waiter can be paused only together with all others.
//
// AskAgain is the rest of the holder's lease, because nobody is woken when it expires. It
// is at least a millisecond, and at most w.TTL, because a shorter lease may follow a long
// one.
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

// giveFirst gives a free key to the first in its queue.
func (b *Backing) giveFirst(waiting *queue, now time.Duration) wakeUp {
	first := waiting.first()
	b.give(first.Claim, waiting, now)
	return first.Wake
}

// giveFirstBefore gives a free key to the first in its queue, once w is in that queue. If w
// itself is the first, it is not woken: the outcome says so.
func (b *Backing) giveFirstBefore(w backing.Waiter, held lease, now time.Duration) (backing.Outcome, wakeUp) {
	waiting := held.queue.with(w)
	if waiting.first().Holder == w.Holder {
		return granted(b.give(w.Claim, waiting, now)), nil
	}
	wake := b.giveFirst(waiting, now)
	return b.wait(w, b.leases[w.Key], now), wake
}

func granted(g backing.Grant) backing.Outcome { return backing.Granted{Grant: g} }

// wakeUp is called once the mutex is free again. It may be nil.
type wakeUp func()

func (w wakeUp) call() {
	if w != nil {
		w()
	}
}

// queue holds the waiters for one key; nil is the empty queue. A map beside the list saves
// a search through thousands when a waiter leaves or asks again, during which everybody
// else would need the mutex.
type queue struct {
	order  list.List // of backing.Waiter
	places map[string]*list.Element
}

func (q *queue) has(holder string) bool {
	return q != nil && q.places[holder] != nil
}

func (q *queue) first() backing.Waiter {
	return q.order.Front().Value.(backing.Waiter)
}

// with adds w at the end. A waiter that is already queued keeps its place; its latest claim
// and Wake count.
func (q *queue) with(w backing.Waiter) *queue {
	if q == nil {
		q = &queue{places: make(map[string]*list.Element)}
	}
	if place := q.places[w.Holder]; place != nil {
		place.Value = w
		return q
	}
	q.places[w.Holder] = q.order.PushBack(w)
	return q
}

func (q *queue) without(holder string) *queue {
	if !q.has(holder) {
		return q
	}
	q.order.Remove(q.places[holder])
	delete(q.places, holder)
	if q.order.Len() == 0 {
		return nil
	}
	return q
}
