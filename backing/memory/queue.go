package memory

import (
	"container/list"
	"context"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
)

// Enqueue implements [backing.Queue].
//
// Granted is called by whichever goroutine frees the key with Release or Pass,
// or finds with Enqueue that its lease has expired. That happens before the
// call returns and without a mutex held, so Granted may use the Backing. The
// lease that it brings is the whole TTL: nothing can be paused here but the
// process with all its holders. Retry is never called, for nothing gets lost.
//
// AskAgain is what is left of the holder's lease, at least a millisecond: that
// it runs out is the only thing that nobody is told. It is never more than
// w.TTL, in case that a shorter lease follows a long one.
func (b *Backing) Enqueue(ctx context.Context, w backing.Waiter) (backing.Standing, error) {
	if err := ctx.Err(); err != nil {
		return backing.Standing{}, err
	}
	standing, told := b.enqueue(w)
	told.tell()
	return standing, nil
}

func (b *Backing) enqueue(w backing.Waiter) (backing.Standing, news) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Since(b.created)

	held, ok := b.lease(w.Key, now)
	switch {
	case ok && held.holder == w.Holder:
		return granted(b.extend(w.Claim, held, now)), news{}
	case ok:
		return b.wait(w, held, now), news{}
	case held.queue == nil:
		return granted(b.give(w.Claim, nil, now)), news{}
	default:
		return b.giveFirstBefore(w, held, now)
	}
}

// wait puts w in the queue for a key, and says when to ask again.
func (b *Backing) wait(w backing.Waiter, held lease, now time.Duration) backing.Standing {
	held.queue = held.queue.with(w)
	b.leases[w.Key] = held
	return backing.Standing{
		Grant:    option.None[backing.Grant](),
		AskAgain: max(time.Millisecond, min(held.expires-now, w.TTL)),
	}
}

// giveFirst gives a key that is free to the first of its queue.
func (b *Backing) giveFirst(waiting *queue, now time.Duration) news {
	first := waiting.first()
	return news{first.Granted, backing.Handed{
		Grant: b.give(first.Claim, waiting, now),
		Start: b.created.Add(now), // keeps the monotonic reading
		Lease: first.TTL,
	}}
}

// giveFirstBefore gives a key that is free to the first of its queue when w
// has its place in it. If w is that first, the answer says so, and it is told
// nothing.
func (b *Backing) giveFirstBefore(w backing.Waiter, held lease, now time.Duration) (backing.Standing, news) {
	waiting := held.queue.with(w)
	if waiting.first().Holder == w.Holder {
		return granted(b.give(w.Claim, waiting, now)), news{}
	}
	told := b.giveFirst(waiting, now)
	return b.wait(w, b.leases[w.Key], now), told
}

func granted(g backing.Grant) backing.Standing { return backing.Standing{Grant: option.Some(g)} }

// news is what a claimant must be told once the mutex is free again.
type news struct {
	granted func(backing.Handed)
	handed  backing.Handed
}

func (n news) tell() {
	if n.granted != nil {
		n.granted(n.handed)
	}
}

// queue is the line of those who wait for one key; nil is the empty one. A map
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
