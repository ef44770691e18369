package redis

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis/internal/pipeline"
)

const (
	// reservedLease is how long a lock is reserved at most for a claimant that is woken: its
	// process may have stopped, and the others should not wait for that for long.
	reservedLease = 2 * time.Second
	// askAgain is how much of that lease may pass before a claimant in the queue asks
	// again, if the holder's lease does not end before. One that has missed the message
	// then finds the lock reserved for it; later, it could find it another's.
	askAgain = 0.75
	// expirySlack is how long after the end of a lease the server has surely noticed it.
	expirySlack = 2 * time.Millisecond
	// resubscribing is when a claimant asks again whose subscription is being replaced.
	resubscribing = 250 * time.Millisecond
)

// TryAcquire implements [backing.Backing] with one round trip.
func (b *Backing) TryAcquire(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
	none := option.None[backing.Grant]()
	k, err := b.keysOf(c.Key)
	if err != nil {
		return none, err
	}
	r, err := b.ask(ctx, k, c, b.ledger.asks(claimantOf(c)), tries)
	if err != nil || r.kind == no {
		return none, err
	}
	return option.Some(grantOf(r)), nil
}

// Enqueue implements [backing.Queue]. It takes one round trip if the lock is free or its
// server's messages are received already, else up to two more, to subscribe.
//
// Wake is called on the goroutine that reads all messages. AskAgain is the end of the
// holder's lease, but at most three quarters of the lease for which the lock would be
// reserved, so 1.5 s; and 0.25 s while a subscription is replaced. MustPoll.Why is why the
// server did not confirm a subscription: the user may not subscribe, the connection is
// refused, it took more than a second. It is tried again every
// 100 ms to 2 s, until nobody has waited for 10 s.
func (b *Backing) Enqueue(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
	k, err := b.keysOf(w.Key)
	if err != nil {
		return nil, err
	}
	if b.push == nil {
		return b.enqueue(ctx, k, w, "")
	}
	channel, ready := b.push.Ready(k.lock)
	if !ready {
		if o, err := b.enqueue(ctx, k, w, ""); err != nil || !isMustPoll(o) {
			return o, err
		}
		if channel, err = b.push.Listen(ctx, k.lock); err != nil {
			if ctx.Err() != nil {
				return nil, pipeline.WithContextErr(ctx, err)
			}
			return backing.MustPoll{Why: b.classify(err)}, nil
		}
	}
	return b.enqueue(ctx, k, w, channel)
}

func isMustPoll(o backing.Outcome) bool {
	_, ok := o.(backing.MustPoll)
	return ok
}

// enqueue asks for the lock, and for a place in the queue if the claimant can be
// woken through channel.
func (b *Backing) enqueue(ctx context.Context, k *keys, w backing.Waiter, channel string) (backing.Outcome, error) {
	before := b.ledger.asks(claimantOf(w.Claim))
	mode, member, waited := cannotQueue, before, true
	if channel != "" {
		mode, member = queues, memberOf(w.Claim, channel)
		if b.push.ShouldProbe(k.lock) {
			mode = probes
		}
		waited = b.ledger.queues(claimantOf(w.Claim), member, w.Wake)
	}
	r, err := b.ask(ctx, k, w.Claim, member, mode)
	if err != nil {
		if backing.IsNotSent(err) && !waited {
			b.ledger.unsent(claimantOf(w.Claim), before)
		}
		return nil, err
	}
	return b.outcome(k, w.Claim, r), nil
}

// outcome is what a reply means to a claimant that waits.
func (b *Backing) outcome(k *keys, c backing.Claim, r reply) backing.Outcome {
	switch r.kind {
	case granted, resumed:
		return backing.Granted{Grant: grantOf(r)}
	case queued:
		return backing.Queued{AskAgain: untilNext(c, r.number)}
	case unheard:
		b.push.Unheard(k.lock)
		return backing.Queued{AskAgain: min(resubscribing, untilNext(c, r.number))}
	case polls:
		return backing.MustPoll{}
	default:
		return backing.Refused{}
	}
}

// The ways to ask for a lock: ARGV[3] of acquire.lua.
const (
	tries       = "t"
	cannotQueue = "p"
	queues      = "q"
	probes      = "u"
)

// ask sends a request for the lock, and notes in the ledger what is known afterwards.
func (b *Backing) ask(ctx context.Context, k *keys, c backing.Claim, member, mode string) (reply, error) {
	r, err := b.grants(ctx, c, "grqupn", standing{member != "", "p"}, func() *pipeline.Command {
		cmd := pipeline.NewCommand(acquireScript, 3)
		cmd.Add(k.lockWord)
		cmd.Add(k.queueWord)
		cmd.Add(b.fence(k))
		cmd.Add(c.Holder)
		cmd.AddInt(millis(c.TTL))
		if mode == cannotQueue && member == "" && c.Attempt == "" {
			return cmd // the server has the fewer arguments to read
		}
		cmd.Add(mode)
		cmd.Add(member)
		cmd.Add(nameOf(c))
		return cmd
	})
	if err == nil && mode == tries && r.kind != granted && r.kind != resumed {
		r.kind = no
	}
	return r, err
}

// standing is where a claimant is when it sends a request.
type standing struct {
	queued    bool   // it may be in the queue
	unchanged string // the replies that leave it where it is
}

// grants runs a script that may give the lock to the claim c.
func (b *Backing) grants(ctx context.Context, c backing.Claim, want string, before standing, command func() *pipeline.Command) (reply, error) {
	value, err := b.run(ctx, command, acknowledged)
	var r reply
	if err == nil {
		r, err = parseReply(value.Value, want)
	}
	if err == nil && (r.kind == granted || r.kind == resumed) {
		if missing := b.missing(value); missing != nil {
			err = b.takeBack(ctx, c, missing)
		}
	}
	if err != nil {
		b.ledger.failed(claimantOf(c), mayBeApplied(err))
		return reply{}, err
	}
	if r.kind == resumed && value.Repeated { // by the earlier copy, for all that is known
		r.kind = granted
	}
	inQueue := r.kind == queued || r.kind == unheard || before.queued && strings.IndexByte(before.unchanged, byte(r.kind)) >= 0
	b.ledger.settled(claimantOf(c), inQueue, value.Repeated)
	return r, nil
}

// nameOf tells a claim from earlier and later ones of the same holder.
func nameOf(c backing.Claim) string {
	if c.Attempt == "" {
		return c.Holder
	}
	return c.Holder + ":" + c.Attempt
}

func claimantOf(c backing.Claim) claimant { return claimant{c.Key, c.Holder} }

func grantOf(r reply) backing.Grant {
	return backing.Grant{Token: r.number, Resumed: r.kind == resumed}
}

// memberOf is how a claimant stands in the queue.
func memberOf(c backing.Claim, channel string) string {
	return strconv.FormatInt(millis(leaseWhenWoken(c)), 10) + " " + channel + " " + c.Holder
}

// leaseWhenWoken is how long a lock is reserved for a claimant.
func leaseWhenWoken(c backing.Claim) time.Duration { return min(c.TTL, reservedLease) }

// untilNext is how long a claimant in the queue may wait, if the holder's lease has so
// many milliseconds left.
func untilNext(c backing.Claim, left uint64) time.Duration {
	most := time.Duration(askAgain * float64(leaseWhenWoken(c)))
	if left > uint64(most.Milliseconds()) { //nolint:gosec // most is positive
		return most
	}
	return min(most, time.Duration(left)*time.Millisecond+expirySlack) //nolint:gosec // left is at most `most`
}
