package memory

import (
	"context"
	"time"

	"github.com/effectlock/effectlock/backing"
)

// Pass implements [backing.Passer]. With yield, it wakes the first waiter before it
// returns.
func (b *Backing) Pass(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	outcome, wake := b.pass(from, next, yield)
	wake.call()
	return outcome, nil
}

func (b *Backing) pass(from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, wakeUp) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Since(b.created)

	held, ok := b.lease(next.Key, now)
	before, released := b.remembered(from, now)
	switch {
	case released && before.next == acquisitionOf(next.Claim):
		return b.passedBefore(next, held, now), nil
	case released || !ok || held.holder != from.Holder:
		return backing.Refused{}, nil
	}
	b.remember(from, held, acquisitionOf(next.Claim), now)
	switch {
	case b.isReleased(next.Claim, now):
		return backing.MustPoll{}, b.free(next.Key, held.queue, now)
	case yield && held.queue != nil:
		return b.giveFirstBefore(next, held, now)
	default:
		return granted(b.give(next.Claim, held.queue, now)), nil
	}
}

// passedBefore answers a repeated Pass.
func (b *Backing) passedBefore(next backing.Waiter, held lease, now time.Duration) backing.Outcome {
	switch {
	case b.isReleased(next.Claim, now):
		return backing.MustPoll{}
	case held.holder == next.Holder && now < held.expires:
		return granted(b.extend(next.Claim, held, now))
	case held.queue.has(next.Holder):
		return b.wait(next, held, now)
	default:
		return backing.MustPoll{}
	}
}
