package redis

import (
	"context"
	"errors"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis/internal/pipeline"
)

// How long the server remembers a release, in milliseconds: as long as its holder may
// repeat it; or not at all, when the claim goes on.
const (
	memory   = "6000"
	noMemory = ""
)

// Release implements [backing.Backing] with one round trip. It works on a server whose
// memory is full.
func (b *Backing) Release(ctx context.Context, key, holder string) (bool, error) {
	found, err := b.ReleaseClaim(ctx, backing.Claim{Key: key, Holder: holder})
	return found != backing.NotHeld, err
}

// ReleaseClaim implements [backing.Releaser] with one round trip. The server remembers the
// release for 6 s. If a request of the claim was left without a reply, the server refuses it
// for a minute, should it arrive late. If the release fails too, or that of a claimant that
// waits, it is repeated for a minute.
func (b *Backing) ReleaseClaim(ctx context.Context, c backing.Claim) (backing.Released, error) {
	if err := ctx.Err(); err != nil {
		return backing.NotHeld, err
	}
	member, inDoubt := b.ledger.leaves(claimantOf(c))
	found, err := b.release(ctx, c, member, inDoubt, memory)
	switch {
	case err == nil:
		b.ledger.gone(claimantOf(c))
	case inDoubt, member != "":
		b.undoLater(c, firstUndo, undoFor)
	}
	return found, err
}

// release takes the claimant out of the queue too, where it stands as member. If it is in
// doubt, the server refuses for a minute what it asked for and arrives late.
func (b *Backing) release(ctx context.Context, c backing.Claim, member string, inDoubt bool, life string) (backing.Released, error) {
	k, err := b.keysOf(c.Key)
	if err != nil {
		return backing.NotHeld, err
	}
	n := b.memories.take(k.lock, nameOf(c))
	value, err := b.run(ctx, func() *pipeline.Command {
		cmd := pipeline.NewCommand(releaseScript, 3)
		cmd.Add(k.lockWord)
		cmd.Add(k.queueWord)
		cmd.Add(k.released(n))
		cmd.Add(c.Holder)
		if member == "" && !inDoubt && c.Attempt == "" && life == memory {
			return cmd // the server has the fewer arguments to read
		}
		cmd.Add(life)
		cmd.Add(member)
		cmd.Add(nameOf(c))
		cmd.Add(flag(inDoubt))
		return cmd
	}, unacknowledged)
	b.memories.done(k.lock, n, err)
	if err != nil {
		return backing.NotHeld, err
	}
	r, err := parseReply(value.Value, "yen")
	switch {
	case err != nil || r.kind == no:
		return backing.NotHeld, err
	case r.kind == earlier && !value.Repeated: // else it was this very request
		return backing.FreedEarlier, nil
	}
	return backing.FreedNow, nil
}

func flag(set bool) string {
	if set {
		return "1"
	}
	return ""
}

// Pass implements [backing.Passer] with one round trip. To be queued when it yields, the
// claimant needs a subscription. The first Pass that yields begins to subscribe, and for up
// to a second, until that is confirmed, Pass does not yield. Later ones yield, also while the
// subscription, which has ended unused, begins again. Without a subscription, and
// [WithoutPush], the lock goes to the first in the queue, or is free for those who poll.
func (b *Backing) Pass(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	k, err := b.keysOf(next.Key)
	if err != nil {
		return nil, err
	}
	mode, member := cannotQueue, b.ledger.asks(claimantOf(next.Claim))
	before := standing{member != "", "pn"}
	waited := true
	if yield && b.push != nil {
		if channel, ready := b.push.Ready(k.lock); ready {
			mode, member = queues, memberOf(next.Claim, channel)
			waited = b.ledger.queues(claimantOf(next.Claim), member, next.Wake)
		} else if b.push.Prepare(k.lock) {
			yield = false // until the next time: by then this process can be woken
		}
	}
	inDoubt := b.ledger.isInDoubt(claimantOf(from))
	n := b.memories.take(k.lock, nameOf(from))
	r, err := b.grants(ctx, next.Claim, "grqpn", before, func() *pipeline.Command {
		cmd := pipeline.NewCommand(passScript, 4)
		cmd.Add(k.lockWord)
		cmd.Add(k.queueWord)
		cmd.Add(b.fence(k))
		cmd.Add(k.released(n))
		cmd.Add(next.Holder)
		cmd.AddInt(millis(next.TTL))
		cmd.Add(from.Holder)
		if member == "" && !yield && !inDoubt && next.Attempt == "" && from.Attempt == "" {
			return cmd // the server has the fewer arguments to read
		}
		cmd.Add(mode)
		cmd.Add(member)
		cmd.Add(nameOf(next.Claim))
		cmd.Add(nameOf(from))
		cmd.Add(flag(yield))
		cmd.Add(flag(inDoubt))
		return cmd
	})
	b.memories.done(k.lock, n, err)
	b.ledger.passed(claimantOf(next.Claim), member, err == nil && (r.kind == queued || r.kind == unheard), waited)
	missing, taken := errors.AsType[*AcknowledgeError](err)
	if err != nil && !taken {
		return nil, err
	}
	if (r.kind != no || taken) && claimantOf(from) != claimantOf(next.Claim) {
		b.ledger.gone(claimantOf(from))
	}
	if taken { // the lock was the next holder's, and is not any more
		return backing.MustPoll{Why: missing}, nil
	}
	return b.outcome(k, next.Claim, r), nil
}
