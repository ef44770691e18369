package backingtest

import (
	"slices"
	"time"

	"github.com/effectlock/effectlock/backing"
)

// A lock is what the reference knows of one key. An operation does not change it, but
// leads to another lock.
//
// Nobody but the store knows when it applied an operation, and so when a lease ends: the
// reference knows the earliest and the latest moment.
type lock struct {
	holders []lease // at most one, until claims are counted
	queue   []place // first come, first served
	ended   []ended
	token   uint64 // the highest that was granted
}

type lease struct {
	holder      string
	token       uint64 // the lowest that may be granted to the holder again
	ends        span
	early, late rule // what is broken if the lease ends before or after that
}

// A place is one in the queue. The store may take a claimant for dead that has not
// asked again by then.
type place struct {
	holder string
	ttl    time.Duration
	by     time.Time
}

// An ended acquisition has been released, and until then the store remembers it.
type ended struct {
	holder string
	next   string // to which Pass gave the key
	freed  bool   // it had the key
	until  time.Time
}

type span struct{ from, to time.Time }

// lasting is when a lease is over that began at some moment of s.
func (s span) lasting(shortest, ttl time.Duration) span {
	return span{s.from.Add(shortest - shortest/10), s.to.Add(ttl + ttl/3)}
}

func (l lock) has(holder string) bool {
	return slices.ContainsFunc(l.holders, func(h lease) bool { return h.holder == holder })
}

func (l lock) waits(holder string) bool {
	return slices.ContainsFunc(l.queue, func(p place) bool { return p.holder == holder })
}

func (l lock) end(holder string) (ended, bool) {
	i := slices.IndexFunc(l.ended, func(e ended) bool { return e.holder == holder })
	if i < 0 {
		return ended{}, false
	}
	return l.ended[i], true
}

// give adds a holder.
func (l lock) give(h lease) lock {
	l = l.without(h.holder)
	l.holders = append(slices.Clone(l.holders), h)
	return l
}

// without takes a claimant out of the holders and the queue.
func (l lock) without(holder string) lock {
	l.holders = slices.DeleteFunc(slices.Clone(l.holders), func(h lease) bool { return h.holder == holder })
	l.queue = slices.DeleteFunc(slices.Clone(l.queue), func(p place) bool { return p.holder == holder })
	return l
}

// free ends the lease of a holder by its release, or by a Pass to next.
func (l lock) free(holder, next string, o operation) lock {
	return l.without(holder).remember(ended{holder, next, true, o.at.from.Add(backing.ReleaseMemory)})
}

// join adds a claimant at the end of the queue; one that is in it keeps its place.
func (l lock) join(holder string, ttl time.Duration) lock {
	if !l.waits(holder) {
		l.queue = append(slices.Clone(l.queue), place{holder: holder, ttl: ttl})
	}
	return l
}

// remember notes a release. One that frees nothing does not change what is remembered of
// one before.
func (l lock) remember(e ended) lock {
	if _, again := l.end(e.holder); again && !e.freed {
		return l
	}
	l.ended = slices.DeleteFunc(slices.Clone(l.ended), func(before ended) bool { return before.holder == e.holder })
	l.ended = append(l.ended, e)
	return l
}

// serve gives a key that is free to the first in the queue. Until that asks, its lease may be
// shorter than its TTL.
func (l lock) serve(at span) lock {
	if len(l.holders) > 0 || len(l.queue) == 0 {
		return l
	}
	first := l.queue[0]
	ends := at.lasting(min(first.ttl, stall), first.ttl)
	return l.give(lease{first.holder, l.token + 1, ends, releaseHands, leaseIsBounded})
}

// at returns what the lock may have become when an operation is applied at some moment of now:
// leases may have ended, the store may have seen it or not, and claimants may have died.
func (l lock) at(now span) []lock {
	for _, h := range l.holders {
		if now.to.Before(h.ends.from) {
			continue
		}
		free := l.without(h.holder)
		all := free.at(now)
		if len(free.queue) > 0 {
			all = append(all, free.serve(span{h.ends.from, now.to}).at(now)...)
		}
		if now.from.Before(h.ends.to) {
			all = append(all, l)
		}
		return all
	}
	for i, p := range l.queue {
		if p.by.IsZero() || now.to.Before(p.by) {
			continue
		}
		kept := l
		kept.queue = slices.Clone(l.queue)
		kept.queue[i].by = time.Time{} // and is not asked about again
		return append(kept.at(now), l.without(p.holder).at(now)...)
	}
	return []lock{l}
}

// holder prints the holder, or None.
func (l lock) holder() string {
	if len(l.holders) == 0 {
		return none
	}
	return maybe{quote(l.holders[0].holder), true}.String()
}
