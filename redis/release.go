package redis

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis/internal/pipeline"
)

// How long the server remembers a release, in milliseconds: as long as its holder may
// repeat it, or not at all if the claim goes on.
const memory, noMemory = "6000", ""

// Release implements [backing.Backing] with one round trip. It works on a server whose
// memory is full.
func (b *Backing) Release(ctx context.Context, key, holder string) (bool, error) {
	found, err := b.ReleaseClaim(ctx, backing.Claim{Key: key, Holder: holder})
	return found != backing.NotHeld, err
}

// ReleaseClaim implements [backing.Releaser] with one round trip. The server remembers the
// release for 6 s. If a request of the claim got no reply, the server refuses that request
// for a minute, in case it arrives late. The failed release of such a claim, or of a
// claimant that waits, is repeated for a minute.
func (b *Backing) ReleaseClaim(ctx context.Context, c backing.Claim) (backing.Released, error) {
	if err := ctx.Err(); err != nil {
		return backing.NotHeld, err
	}
	who := claimantOf(c)
	member, inDoubt := b.ledger.leave(who)
	found, err := b.release(ctx, c, member, inDoubt, memory)
	switch {
	case err == nil:
		b.ledger.released(who)
	case inDoubt, member != "":
		b.ledger.undo(who, func(ctx context.Context, member string) error {
			_, err := b.release(ctx, c, member, true, memory)
			return err
		})
	}
	return found, err
}

// release also removes the claimant from the queue, where it may be as member. If the
// claimant is in doubt, the server refuses its late requests for a minute.
func (b *Backing) release(ctx context.Context, c backing.Claim, member string, inDoubt bool, life string) (backing.Released, error) {
	k, err := b.keysOf(c.Key)
	if err != nil {
		return backing.NotHeld, err
	}
	in := b.memories.take(k.lock, nameOf(c))
	r, err := b.run(ctx, unacknowledged, "yen", func() *pipeline.Command {
		return command(releaseScript, 3, []any{k.lockWord, k.queueWord, k.released(in), c.Holder},
			optional{life, memory}, optional{member, ""}, optional{nameOf(c), c.Holder}, flag[inDoubt])
	})
	b.memories.done(in, err)
	switch {
	case err != nil || r.kind == no:
		return backing.NotHeld, err
	case r.kind == earlier && !r.repeated: // if it was repeated, the earlier copy may have freed it
		return backing.FreedEarlier, nil
	}
	return backing.FreedNow, nil
}

// subscribeBeforeYield bounds how long a holder that yields waits for a subscription.
const subscribeBeforeYield = 100 * time.Millisecond

var flag = map[bool]optional{true: {value: "1"}}

// Pass implements [backing.Passer] with one round trip. A claimant is queued only if its
// process is subscribed. Every Pass starts a subscription, because a process with waiters
// of its own will soon have to yield; one that yields waits up to 0.1 s for the
// confirmation. Without a subscription, and with [WithoutPush], the lock goes to the first
// in the queue, or is free for those that poll.
func (b *Backing) Pass(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	k, err := b.keysOf(next.Key)
	if err != nil {
		return nil, err
	}
	asked, mode := place{}, cannotQueue
	if channel, ready := b.subscribed(ctx, k.lock, yield); yield && ready {
		asked, mode = placeOf(next, channel), queues
	}
	inDoubt := b.ledger.begin(claimantOf(from), place{}).inDoubt
	req := b.ledger.begin(claimantOf(next.Claim), asked)
	in := b.memories.take(k.lock, nameOf(from))
	r, err := b.grants(ctx, next.Claim, req, "grqpn", func() *pipeline.Command {
		return command(passScript, 4, []any{k.lockWord, k.queueWord, b.fence(k), k.released(in), next.Holder, millis(next.TTL), from.Holder},
			optional{mode, cannotQueue}, optional{req.asked.member, ""}, optional{nameOf(next.Claim), next.Holder},
			optional{nameOf(from), from.Holder}, flag[yield], flag[inDoubt])
	})
	b.memories.done(in, err)
	few, takenBack := errors.AsType[*AcknowledgeError](err)
	if err != nil && !takenBack {
		return nil, err
	}
	if (takenBack || r.kind != no) && claimantOf(from) != claimantOf(next.Claim) {
		b.ledger.released(claimantOf(from))
	}
	if takenBack { // the grant to next is undone, and from no longer has the lock
		return backing.MustPoll{Why: few}, nil
	}
	return b.outcome(k, next.Claim, r), nil
}

// memories chooses the key in which the server remembers a release. The claims on a lock
// use one key in turn, which costs the server a third of what a new key does. But while a
// release is under way, or has failed and so may be repeated, a release of another claim on
// the lock is remembered in a key of its own.
type memories struct {
	mu    sync.Mutex
	inUse map[memoryOf]memoryUse
}

// memoryOf identifies a key in which a release is remembered: the claim's own, or the
// common one if claim is "".
type memoryOf struct{ lock, claim string }

type memoryUse struct {
	claim    string
	releases int // the number that are under way or may be repeated
}

// take returns the key for a release of the claim: the same one while it may be repeated.
func (m *memories) take(lock, claim string) memoryOf {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.inUse == nil {
		m.inUse = map[memoryOf]memoryUse{}
	}
	at, own := memoryOf{lock, ""}, memoryOf{lock, claim}
	if common := m.inUse[at]; m.inUse[own].releases > 0 || common.releases > 0 && common.claim != claim {
		at = own
	}
	m.inUse[at] = memoryUse{claim, m.inUse[at].releases + 1}
	return at
}

// done ends the use of a key by a release: at once if the release was answered.
func (m *memories) done(at memoryOf, err error) {
	if err != nil {
		time.AfterFunc(backing.ReleaseMemory, func() { m.done(at, nil) })
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if use := m.inUse[at]; use.releases > 1 {
		m.inUse[at] = memoryUse{use.claim, use.releases - 1}
	} else {
		delete(m.inUse, at)
	}
}

// subscribed returns the channel on which messages for lock arrive. If there is none yet,
// it begins to subscribe, and waits for the confirmation only if wait is set.
func (b *Backing) subscribed(ctx context.Context, lock string, wait bool) (channel string, ready bool) {
	if b.push == nil {
		return "", false
	}
	if channel, ready = b.push.Ready(lock); ready {
		return channel, true
	}
	if !wait {
		b.push.Prepare(lock)
		return "", false
	}
	ctx, cancel := context.WithTimeout(ctx, subscribeBeforeYield)
	defer cancel()
	channel, err := b.push.Listen(ctx, lock)
	return channel, err == nil
}
