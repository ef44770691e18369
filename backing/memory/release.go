package memory

import (
	"context"
	"time"

	"github.com/effectlock/effectlock/backing"
)

// An acquisition begins with the first request of a claim for the key, and a release ends
// it for good.
type acquisition struct{ key, holder, attempt string }

func acquisitionOf(c backing.Claim) acquisition { return acquisition{c.Key, c.Holder, c.Attempt} }

// A release is what is remembered of the end of an acquisition.
type release struct {
	until time.Duration // when it is forgotten
	freed bool          // the claimant had the key
	next  acquisition   // the one that Pass was to give the key to; zero after Release
}

// Release implements [backing.Backing]. It frees the key whatever the Attempt of the
// holder's claim, and wakes the first waiter.
func (b *Backing) Release(ctx context.Context, key, holder string) (bool, error) {
	found, err := b.ReleaseClaim(ctx, backing.Claim{Key: key, Holder: holder})
	return found != backing.NotHeld, err
}

// ReleaseClaim implements [backing.Releaser]. It wakes the first waiter.
func (b *Backing) ReleaseClaim(ctx context.Context, c backing.Claim) (backing.Released, error) {
	if err := ctx.Err(); err != nil {
		return backing.NotHeld, err
	}
	found, wake := b.release(c)
	wake.call()
	return found, nil
}

func (b *Backing) release(c backing.Claim) (backing.Released, wakeUp) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Since(b.created)

	held, ok := b.lease(c.Key, now)
	before, again := b.remembered(c, now)
	// What the holder has may be from a later acquisition, which a repeated release must
	// leave alone. Without an Attempt it is not known which acquisition is meant.
	if !again || c.Attempt == "" {
		if ok && held.holder == c.Holder {
			b.remember(c, held, acquisition{}, now)
			return backing.FreedNow, b.free(c.Key, held.queue, now)
		}
		if held.queue.has(c.Holder) {
			held.queue = held.queue.without(c.Holder)
			b.leases[c.Key] = held
		}
	}
	// Remembered although nothing was held: a request for the key may still be on its way.
	before.until = after(now, backing.ReleaseMemory)
	b.sweep(now)
	b.released[acquisitionOf(c)] = before
	if before.freed {
		return backing.FreedEarlier, nil
	}
	return backing.NotHeld, nil
}

// free gives a key that has been released to the first waiter.
func (b *Backing) free(key string, waiting *queue, now time.Duration) wakeUp {
	if waiting == nil {
		delete(b.leases, key)
		return nil
	}
	return b.giveFirst(waiting, now)
}

// remember records a release, as two acquisitions if necessary: the one that was named, and
// the one that had the key. They differ if the lock was released in the holder's name by a
// caller that does not know its Attempt.
func (b *Backing) remember(c backing.Claim, held lease, next acquisition, now time.Duration) {
	b.sweep(now)
	r := release{until: after(now, backing.ReleaseMemory), freed: true, next: next}
	b.released[acquisitionOf(c)] = r
	if held.attempt != c.Attempt {
		b.released[acquisition{c.Key, c.Holder, held.attempt}] = r
	}
}

func (b *Backing) remembered(c backing.Claim, now time.Duration) (release, bool) {
	r, ok := b.released[acquisitionOf(c)]
	if !ok || now >= r.until {
		return release{}, false
	}
	return r, true
}

// isReleased reports whether a request of c is late.
func (b *Backing) isReleased(c backing.Claim, now time.Duration) bool {
	_, released := b.remembered(c, now)
	return released
}
