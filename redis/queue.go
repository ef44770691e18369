package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
)

const (
	// handedLease is how long the lease is at most of a claimant that is handed a
	// lock while it waits: its process may have stopped, and the others should not
	// wait for that for long.
	handedLease = 2 * time.Second
	// askAgain is how much of that lease may pass before a claimant in the queue asks
	// again, if the holder's lease does not end before. One that has missed the message
	// then finds that it has the lock; later, it could find that it had it.
	askAgain = 0.75
	// slack is how long after the end of a lease the server has surely noticed it.
	slack = 2 * time.Millisecond
	// queueLife is how long a queue is kept that nobody asks for any more.
	queueLife = time.Minute
)

// queuesFor is the argument that says how long a queue is kept.
var queuesFor any = strconv.FormatInt(queueLife.Milliseconds(), 10)

// unqueued is how a script says that the claimant is not in the queue.
const unqueued = "n"

// errDeaf is why a claimant to whom a lock was not passed is not in the queue.
var errDeaf = errors.New("redis: not subscribed to news of the lock")

// Enqueue implements [backing.Queue]. It takes one round trip if the lock is free
// or news of its slot are heard already, else up to two more, to subscribe.
//
// Granted is called on the goroutine that reads all messages; its lease is the
// TTL, but at most 2 s. AskAgain is the end of the holder's lease, but at most
// three quarters of the lease that the claimant would be handed, so 1.5 s.
// NotQueued is why the server did not confirm a subscription: the user may not
// subscribe, the connection is refused, it took more than a second. The claimant
// should poll then; each Enqueue tries anew, but not more often than every 100 ms
// to 2 s.
func (b *Backing) Enqueue(ctx context.Context, w backing.Waiter) (backing.Standing, error) {
	who := claimant{w.Key, w.Holder}
	lock := b.prefix + w.Key
	member := b.member(who)
	refused := false
	if b.deaf || member == "" && !b.hub.ready(lock) {
		grant, waiting, err := b.tryAcquire(ctx, w.Claim, !b.deaf)
		if err != nil || b.deaf || option.IsSome(grant) {
			return backing.Standing{Grant: grant}, err
		}
		refused = !waiting
	}
	if err := ctx.Err(); err != nil {
		return backing.Standing{}, err
	}
	channel, deaf := b.hub.listen(ctx, lock)
	deaf = classify(deaf)
	switch {
	case deaf != nil && ctx.Err() != nil:
		return backing.Standing{}, blame(ctx, deaf)
	case deaf != nil && refused:
		return backing.Standing{NotQueued: deaf}, nil
	}
	standing, err := b.enqueue(ctx, w, memberOf(w.Claim, channel), deaf == nil)
	if err == nil && standing.NotQueued != nil {
		standing.NotQueued = deaf
	}
	return standing, err
}

// enqueue puts the claimant in the queue, or takes it out if it cannot be told.
func (b *Backing) enqueue(ctx context.Context, w backing.Waiter, member string, told bool) (backing.Standing, error) {
	if err := b.checkVersion(ctx); err != nil {
		return backing.Standing{}, err
	}
	who := claimant{w.Key, w.Holder}
	b.late.wanted(who, true)
	member = b.waits(who, w, member)
	k := keysOf(b.prefix, w.Key, w.Holder)
	cmd := newCommand(enqueueScript, 4)
	cmd.claim(k, w.Claim, member, told)
	sent := time.Now()
	reply, err := b.lane(k.lock).send(ctx, cmd, func() func(string, error) { return b.left(who, member) })
	b.unanswered(who, member, err)
	return b.standing(w.Claim, k, sent, reply, err, true)
}

// claim adds what the scripts know of a claimant that may be queued.
func (c *command) claim(k keys, claim backing.Claim, member string, told bool, more ...string) {
	c.word(k.lock)
	c.word(k.fence)
	c.word(k.released)
	c.word(k.queue)
	for _, key := range more {
		c.word(key)
	}
	c.word(claim.Holder)
	c.number(millis(claim.TTL))
	c.number(fenceMillis(claim.TTL))
	c.args = append(c.args, afterlife)
	c.word(member)
	if told {
		c.args = append(c.args, queuesFor)
	} else {
		c.args = append(c.args, "")
	}
}

// Pass implements [backing.Passer] with one round trip. To be queued when it
// yields, the claimant needs a subscription to news of the lock, which Pass does
// not wait for: without one, and [WithoutPush], the lock goes to those who wait in
// the queue, or is free for those who poll.
func (b *Backing) Pass(ctx context.Context, from string, next backing.Waiter, yield bool) (bool, backing.Standing, error) {
	if err := ctx.Err(); err != nil {
		return false, backing.Standing{}, err
	}
	who := claimant{next.Key, next.Holder}
	k := keysOf(b.prefix, next.Key, next.Holder)
	told, member := false, b.member(who)
	stranger := member == ""
	if yield && !b.deaf && b.hub.ready(k.lock) {
		channel, err := b.hub.listen(ctx, k.lock)
		if told = err == nil; told {
			member = memberOf(next.Claim, channel)
		}
	}
	b.late.wanted(who, true)
	noted := told || member != ""
	if noted {
		member = b.waits(who, next, member)
	}
	cmd := newCommand(passScript, 5)
	cmd.claim(k, next.Claim, member, told, keysOf(b.prefix, next.Key, from).released)
	cmd.word(from)
	cmd.args = append(cmd.args, yields[yield])
	sent := time.Now()
	reply, err := b.lane(k.lock).send(ctx, cmd, func() func(string, error) { return b.left(who, member) })
	b.unanswered(who, member, err)
	if err == nil && from != next.Holder {
		b.late.wanted(claimant{next.Key, from}, false) // not before: to undo is to release
	}
	if err == nil && reply == "" {
		if noted {
			b.answered(who, sent, 0)
			b.forgetIf(who, func(at *waiter) bool { return stranger && at.asking == 0 })
		}
		return false, backing.Standing{}, nil
	}
	standing, err := b.standing(next.Claim, k, sent, reply, err, noted)
	return err == nil, standing, err
}

var yields = map[bool]any{false: "", true: "1"}

// handedTo is the lease of a claimant that is handed a lock.
func handedTo(c backing.Claim) time.Duration { return min(c.TTL, handedLease) }

// memberOf is how a claimant stands in the queue.
func memberOf(c backing.Claim, channel string) string {
	return strconv.FormatInt(millis(handedTo(c)), 10) + " " + channel + " " + c.Holder
}

// standing reads the reply to a request that was sent at sent, and notes what it
// means to the claimant if that was noted before.
func (b *Backing) standing(c backing.Claim, k keys, sent time.Time, reply string, err error, noted bool) (backing.Standing, error) {
	who := claimant{c.Key, c.Holder}
	kind, rest := "", ""
	if reply != "" {
		kind, rest = reply[:1], reply[1:]
	}
	switch {
	case err != nil:
	case kind == "g":
		var grant backing.Grant
		if grant, err = granted(rest, k); err == nil {
			b.forget(who)
			return backing.Standing{Grant: option.Some(grant)}, nil
		}
	case kind == unqueued:
		b.forget(who)
		return backing.Standing{NotQueued: errDeaf}, nil
	case kind == "q":
		var left, clock int64
		if _, err = fmt.Sscanf(rest, "%d %d", &left, &clock); err == nil {
			b.answered(who, sent, clock)
			return backing.Standing{AskAgain: untilNext(c, left)}, nil
		}
	default:
		err = fmt.Errorf("redis: a script answered %q", reply)
	}
	if noted {
		b.answered(who, sent, 0)
	}
	return backing.Standing{}, err
}

// untilNext is how long a claimant in the queue may wait, if the holder's lease
// has so many milliseconds left; it does not end if they are negative.
func untilNext(c backing.Claim, left int64) time.Duration {
	most := time.Duration(askAgain * float64(handedTo(c)))
	if left < 0 || left > most.Milliseconds() {
		return most
	}
	return min(most, time.Duration(left)*time.Millisecond+slack)
}
