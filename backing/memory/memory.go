// Package memory keeps locks in the memory of one process.
//
// It is the embedded default: no server, no configuration, nothing to close.
// It excludes the goroutines of this process from one another, and nobody
// else; for several processes use package redis.
package memory

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
)

// Backing is a [backing.Backing] whose store is a map. All its methods are
// safe for concurrent use; none of them waits, so each looks at its context
// once and then runs to its end.
//
// It is a [backing.Passer], a [backing.Queue] and a [backing.Batcher] too. Who
// waits in the queue is told on the goroutine of the call that frees the key,
// before that call returns and with no mutex held; see [Backing.Enqueue].
//
// Leases expire on the monotonic clock: setting the machine's wall clock does
// not touch them. Where that clock stops while the machine sleeps (Linux), so
// do the leases, together with the holders that they guard against.
//
// Fencing tokens are microseconds since 1970, or one more than the token
// before if that is higher: so they rise with every grant while the Backing
// lives, and from one run of the process to the next as long as the wall clock
// is not set back and grants come slower than one a microsecond.
//
// It starts no goroutine and has no Close. An expired lease takes up space
// until a later TryAcquire sweeps it away. So does a released one, which a
// second Release may still ask for: about 200 bytes until it would have
// expired. A thousand locks a second with a TTL of 30 s come to 6 MB. A key
// that nobody waits for has no queue.
type Backing struct {
	created time.Time // instants are durations since then: 8 bytes, no pointer

	mu       sync.Mutex
	leases   map[string]lease
	released map[grant]time.Duration // until when the lease would have run
	last     uint64                  // the highest token given, for whatever key
	sweepAt  int                     // the size at which the next sweep is due
}

type lease struct {
	holder  string
	token   uint64
	expires time.Duration
	// queue is nil if nobody waits. It stands here, and not in a map of its own,
	// so that a Release that nobody waits for need not look for it. A lease that
	// has expired keeps it.
	queue *queue
}

// A grant is named by key and holder: a holder has one lease of a key at most.
type grant struct{ key, holder string }

var _ interface {
	backing.Backing
	backing.Passer
	backing.Queue
	backing.Batcher
} = (*Backing)(nil)

// New returns an empty store. Mutexes exclude each other only if they share
// the one Backing.
func New() *Backing {
	return &Backing{
		created:  time.Now(),
		leases:   make(map[string]lease),
		released: make(map[grant]time.Duration),
		sweepAt:  minSweep,
	}
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
	if !ok {
		return option.Some(b.give(c, held.queue, now)), nil
	}
	if held.holder != c.Holder {
		return option.None[backing.Grant](), nil
	}
	return option.Some(b.extend(c, held, now)), nil
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
	if !ok || held.holder != c.Holder {
		return false, nil
	}
	b.extend(c, held, now)
	return true, nil
}

// Release implements [backing.Backing]. It calls Granted of the first who waits.
func (b *Backing) Release(ctx context.Context, key, holder string) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	released, told := b.release(key, holder)
	told.tell()
	return released, nil
}

func (b *Backing) release(key, holder string) (bool, news) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Since(b.created)

	held, ok := b.lease(key, now)
	if !ok || held.holder != holder {
		if held.queue != nil {
			held.queue = held.queue.without(holder)
			b.leases[key] = held
		}
		return b.hasReleased(key, holder, now), news{}
	}
	b.released[grant{key, holder}] = held.expires
	if held.queue == nil {
		delete(b.leases, key)
		return true, news{}
	}
	return true, b.giveFirst(held.queue, now)
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

// give makes c.Holder the holder of a key that is free, under a new grant.
// Those who wait for the key go on waiting.
func (b *Backing) give(c backing.Claim, waiting *queue, now time.Duration) backing.Grant {
	b.sweep(now)
	// One counter for all keys needs no memory for the keys that are gone.
	b.last = max(b.last+1, b.clock(now))
	delete(b.released, grant{c.Key, c.Holder}) // that was another grant
	return b.extend(c, lease{holder: c.Holder, token: b.last, queue: waiting.without(c.Holder)}, now)
}

// extend makes the lease of c.Holder run c.TTL from now.
func (b *Backing) extend(c backing.Claim, held lease, now time.Duration) backing.Grant {
	held.expires = after(now, c.TTL)
	b.leases[c.Key] = held
	return backing.Grant{Token: held.token}
}

// hasReleased reports whether holder once gave the key back in a lease that
// would still run.
func (b *Backing) hasReleased(key, holder string, now time.Duration) bool {
	until, ok := b.released[grant{key, holder}]
	return ok && now < until
}

// lease returns the last lease of key, and whether it runs at now. b.mu must be
// held, and now read under it: otherwise an older now could see a lease alive that a newer
// one has already found dead.
func (b *Backing) lease(key string, now time.Duration) (lease, bool) {
	held, ok := b.leases[key]
	return held, ok && now < held.expires
}

// clock is the wall clock at now in microseconds, had nobody set it since New.
func (b *Backing) clock(now time.Duration) uint64 {
	return uint64(b.created.UnixMicro() + now.Microseconds())
}

// after is now plus ttl. A lease of centuries ends at the end of time, not in
// the past.
func after(now, ttl time.Duration) time.Duration {
	return now + min(ttl, math.MaxInt64-now)
}
