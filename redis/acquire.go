package redis

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis/internal/pipeline"
)

const (
	// reservedLease is the longest time for which a lock is reserved for a claimant that is
	// woken. If its process has stopped, the others wait no longer than that.
	reservedLease = 2 * time.Second
	// askAgain is the part of that lease after which a queued claimant asks again, unless
	// the holder's lease ends sooner. A claimant that missed its message then still finds
	// the lock reserved for it.
	askAgain = 0.75
	// expirySlack is the time by which the server has certainly noticed the end of a lease.
	expirySlack = 2 * time.Millisecond
	// resubscribing is the pause before a claimant asks again while its subscription is
	// replaced.
	resubscribing = 250 * time.Millisecond
)

// TryAcquire implements [backing.Backing] with one round trip.
func (b *Backing) TryAcquire(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
	k, err := b.keysOf(c.Key)
	if err != nil {
		return option.None[backing.Grant](), err
	}
	r, err := b.acquire(ctx, k, c, place{}, tries)
	if err != nil || !r.isGrant() {
		return option.None[backing.Grant](), err
	}
	return option.Some(grantOf(r)), nil
}

// Enqueue implements [backing.Queue]. It takes one round trip if the lock is free or this
// process already receives its server's messages, otherwise up to two more, to subscribe.
//
// Wake is called on the goroutine that reads all messages. AskAgain is the end of the
// holder's lease, but at most three quarters of the lease for which the lock would be
// reserved, which is 1.5 s; it is 0.25 s while a subscription is replaced. MustPoll.Why
// says why the server did not confirm a subscription: the user may not subscribe, the
// connection was refused, it took more than a second. Subscribing is retried every 100 ms
// to 2 s, until nobody has waited for 10 s.
func (b *Backing) Enqueue(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
	k, err := b.keysOf(w.Key)
	if err != nil {
		return nil, err
	}
	channel, ready := "", b.push == nil
	if b.push != nil {
		channel, ready = b.push.Ready(k.lock)
	}
	o, err := b.enqueue(ctx, k, w, channel)
	if _, polls := o.(backing.MustPoll); ready || !polls {
		return o, err
	}
	if channel, err = b.push.Listen(ctx, k.lock); err != nil {
		if ctx.Err() != nil {
			return nil, pipeline.WithContextErr(ctx, err)
		}
		return backing.MustPoll{Why: b.classify(err)}, nil
	}
	return b.enqueue(ctx, k, w, channel)
}

// enqueue asks for the lock, and for a place in the queue if the claimant can be woken
// through channel.
func (b *Backing) enqueue(ctx context.Context, k *keys, w backing.Waiter, channel string) (backing.Outcome, error) {
	in, mode := place{}, cannotQueue
	if channel != "" {
		in, mode = placeOf(w, channel), queues
		if b.push.ShouldProbe(k.lock) {
			mode = probes
		}
	}
	r, err := b.acquire(ctx, k, w.Claim, in, mode)
	if err != nil {
		return nil, err
	}
	return b.outcome(k, w.Claim, r), nil
}

const tries, cannotQueue, queues, probes = "t", "p", "q", "u" // the ways to ask for a lock: ARGV[3] of acquire.lua

// placeOf returns the place in the queue of a claimant that can be woken through channel.
func placeOf(w backing.Waiter, channel string) place {
	lease := strconv.FormatInt(millis(leaseWhenWoken(w.Claim)), 10)
	return place{lease + " " + channel + " " + w.Holder, w.Wake}
}

// outcome returns what a reply means for a claimant that waits.
func (b *Backing) outcome(k *keys, c backing.Claim, r reply) backing.Outcome {
	switch r.kind {
	case granted, resumed:
		return backing.Granted{Grant: grantOf(r)}
	case queued:
		return backing.Queued{AskAgain: untilNext(c, r.number)}
	case unsubscribed:
		b.push.Unsubscribed(k.lock)
		return backing.Queued{AskAgain: min(resubscribing, untilNext(c, r.number))}
	case polls:
		return backing.MustPoll{}
	default:
		return backing.Refused{}
	}
}

// acquire sends a request for the lock.
func (b *Backing) acquire(ctx context.Context, k *keys, c backing.Claim, in place, mode string) (reply, error) {
	req := b.ledger.begin(claimantOf(c), in)
	return b.grants(ctx, c, req, "grqupn", func() *pipeline.Command {
		return command(acquireScript, 3, []any{k.lockWord, k.queueWord, b.fence(k), c.Holder, millis(c.TTL)},
			optional{mode, cannotQueue}, optional{req.asked.member, ""}, optional{nameOf(c), c.Holder})
	})
}

// grants runs a script that may give the lock to the claim c, and records in the ledger
// what it has done.
func (b *Backing) grants(ctx context.Context, c backing.Claim, req request, want string, command func() *pipeline.Command) (reply, error) {
	r, err := b.run(ctx, acknowledged, want, command)
	now, inDoubt := req.asked, r.repeated // the claimant is queued, or may be
	switch {
	case backing.IsNotSent(err):
		now = req.before
	case err != nil:
		// With RequireAcks the refused copy may be the second, and the first may have no
		// reply. But a server that refuses for good has refused both.
		inDoubt = pipeline.MayBeApplied(err) || b.acks.Needed > 0 && !backing.IsPermanent(err)
	case r.missing != nil: // the grant is undone; the claim goes on, so this release is not remembered
		_, failed := b.release(ctx, c, "", false, noMemory)
		now, inDoubt, err = place{}, failed != nil, errors.Join(r.missing, failed)
	case r.isGrant():
		now = place{}
	case r.kind == polls, r.kind == no:
		now = req.before
	}
	b.ledger.end(req, now, inDoubt)
	if err != nil {
		return reply{}, err
	}
	if r.repeated && r.kind == resumed { // the earlier copy may have been the grant
		r.kind = granted
	}
	return r, nil
}

// nameOf returns a name that distinguishes a claim from other claims of the same holder.
func nameOf(c backing.Claim) string {
	if c.Attempt == "" {
		return c.Holder
	}
	return c.Holder + ":" + c.Attempt
}

func grantOf(r reply) backing.Grant {
	return backing.Grant{Token: r.number, Resumed: r.kind == resumed}
}

// leaseWhenWoken returns how long a lock is reserved for a claimant.
func leaseWhenWoken(c backing.Claim) time.Duration { return min(c.TTL, reservedLease) }

// untilNext returns how long a queued claimant may sleep if the holder's lease ends in
// remaining milliseconds.
func untilNext(c backing.Claim, remaining uint64) time.Duration {
	most := time.Duration(askAgain * float64(leaseWhenWoken(c)))
	remaining = min(remaining, uint64(most.Milliseconds()))                 //nolint:gosec // most is positive
	return min(most, time.Duration(remaining)*time.Millisecond+expirySlack) //nolint:gosec // remaining is at most `most`
}
