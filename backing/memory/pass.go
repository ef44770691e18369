package memory

import (
	"context"
	"time"

	"github.com/effectlock/effectlock/backing"
)

// Pass implements [backing.Passer]. With yield it calls Granted of the first
// who waits, before it returns.
func (b *Backing) Pass(ctx context.Context, from string, next backing.Waiter, yield bool) (bool, backing.Standing, error) {
	if err := ctx.Err(); err != nil {
		return false, backing.Standing{}, err
	}
	passed, standing, told := b.pass(from, next, yield)
	told.tell()
	return passed, standing, nil
}

func (b *Backing) pass(from string, next backing.Waiter, yield bool) (bool, backing.Standing, news) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Since(b.created)

	held, ok := b.lease(next.Key, now)
	switch {
	case ok && held.holder == next.Holder && (from == next.Holder || b.hasReleased(next.Key, from, now)): // a repeat
		return true, granted(b.extend(next.Claim, held, now)), news{}
	case ok && held.holder == from && yield && held.queue != nil:
		b.released[grant{next.Key, from}] = held.expires
		standing, told := b.giveFirstBefore(next, held, now)
		return true, standing, told
	case ok && held.holder == from:
		b.released[grant{next.Key, from}] = held.expires
		return true, granted(b.give(next.Claim, held.queue, now)), news{}
	case yield && held.queue.has(next.Holder) && b.hasReleased(next.Key, from, now): // a repeat too
		return true, b.wait(next, held, now), news{}
	case b.hasReleased(next.Key, from, now): // and again, though next has let go since
		return true, backing.Standing{}, news{}
	default:
		return false, backing.Standing{}, news{}
	}
}
