// Package memory keeps locks in the memory of one process.
//
//	lock, err := mutex.New(memory.New(), "nightly-report", mutex.Config{})
//	err = lock.Do(ctx, func(ctx context.Context) error { return report(ctx) })
//
// It needs no server and no configuration, and there is nothing to close. It excludes the
// goroutines of one process from one another, if their mutexes share one [Backing]; for
// several processes use package redis. It also serves tests of code that locks: under
// testing/synctest its leases run on virtual time.
package memory

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
)

// Backing is a [backing.Backing] that keeps its locks in memory. It has all the abilities
// of [backing.Abilities]. Its methods are safe for concurrent use. None of them blocks, so
// each checks its context only once, at the start.
//
// Leases expire by the monotonic clock, so setting the machine's wall clock does not affect
// them. Where that clock stops while the machine sleeps (Linux), leases stop together with
// the holders that they guard against.
//
// Fencing tokens are microseconds since 1970, or one more than the previous token if that
// is higher. They rise with every grant while the Backing lives, and from one run of the
// process to the next unless the wall clock is set back or there is more than one grant per
// microsecond.
//
// A Backing starts no goroutine and has no Close. An expired lease takes up space until a
// later operation sweeps it away. So does a release for [backing.ReleaseMemory]: it takes a
// few hundred bytes, so a thousand locks a second come to a few MB. A key that nobody waits
// for has no queue.
type Backing struct {
	created time.Time // instants are durations since then: 8 bytes, no pointer

	mu       sync.Mutex
	leases   map[string]lease
	released map[acquisition]release
	last     uint64 // the highest token given, for whatever key
	sweepAt  int    // the size at which the next sweep is due
}

type lease struct {
	holder  string
	attempt string // of the claim that was granted or refreshed last
	token   uint64
	expires time.Duration
	// queue is nil if nobody waits. It is kept here, not in a map of its own, so that a
	// Release that nobody waits for need not look for it. A lease that has expired keeps
	// its queue.
	queue *queue
}

var _ interface {
	backing.Able
	backing.Passer
	backing.Queue
	backing.Batcher
	backing.Releaser
} = (*Backing)(nil)

// New returns an empty store. Mutexes exclude each other only if they share one Backing.
func New() *Backing {
	return &Backing{
		created:  time.Now(),
		leases:   make(map[string]lease),
		released: make(map[acquisition]release),
		sweepAt:  minSweep,
	}
}

// Abilities implements [backing.Able].
func (b *Backing) Abilities() backing.Abilities {
	return backing.Abilities{Of: b, Queue: b, Passer: b, Batcher: b, Releaser: b}
}

// TryAcquire implements [backing.Backing].
func (b *Backing) TryAcquire(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
	if err := ctx.Err(); err != nil {
		return option.None[backing.Grant](), err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Since(b.created)

	held, ok := b.lease(c.Key, now)
	switch {
	case b.isReleased(c, now), ok && held.holder != c.Holder:
		return option.None[backing.Grant](), nil
	case ok:
		return option.Some(b.extend(c, held, now)), nil
	default:
		return option.Some(b.give(c, held.queue, now)), nil
	}
}

// Refresh implements [backing.Backing].
func (b *Backing) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Since(b.created)

	held, ok := b.lease(c.Key, now)
	if !ok || held.holder != c.Holder || b.isReleased(c, now) {
		return false, nil
	}
	b.extend(c, held, now)
	return true, nil
}

// IsLocked implements [backing.Backing].
func (b *Backing) IsLocked(ctx context.Context, key string) (bool, error) {
	holder, err := b.GetHolder(ctx, key)
	return option.IsSome(holder), err
}

// GetHolder implements [backing.Backing].
func (b *Backing) GetHolder(ctx context.Context, key string) (option.Option[string], error) {
	if err := ctx.Err(); err != nil {
		return option.None[string](), err
	}
	b.mu.Lock()
	defer b.mu.Unlock()

	held, ok := b.lease(key, time.Since(b.created))
	if !ok {
		return option.None[string](), nil
	}
	return option.Some(held.holder), nil
}

// give makes c.Holder the holder of a free key, under a new grant. The waiters for the key
// go on waiting.
func (b *Backing) give(c backing.Claim, waiting *queue, now time.Duration) backing.Grant {
	b.sweep(now)
	// One counter for all keys needs no memory for keys that are gone.
	b.last = max(b.last+1, b.clock(now))
	b.extend(c, lease{holder: c.Holder, token: b.last, queue: waiting.without(c.Holder)}, now)
	return backing.Grant{Token: b.last}
}

// extend makes the lease of c.Holder run c.TTL from now.
func (b *Backing) extend(c backing.Claim, held lease, now time.Duration) backing.Grant {
	held.attempt, held.expires = c.Attempt, after(now, c.TTL)
	b.leases[c.Key] = held
	return backing.Grant{Token: held.token, Resumed: true}
}

// lease returns the last lease of key, and whether it runs at now. b.mu must be held, and
// now read under it: with an older now, a lease could seem alive that a newer one has
// already found expired.
func (b *Backing) lease(key string, now time.Duration) (lease, bool) {
	held, ok := b.leases[key]
	return held, ok && now < held.expires
}

// clock is the wall clock at now in microseconds, as if nobody had set it since New.
func (b *Backing) clock(now time.Duration) uint64 {
	return uint64(b.created.UnixMicro() + now.Microseconds())
}

// after is now plus ttl. A lease of centuries ends at the end of time, not in the past.
func after(now, ttl time.Duration) time.Duration {
	return now + min(ttl, math.MaxInt64-now)
}
