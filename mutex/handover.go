package mutex

import (
	"context"
	"time"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/turn"
)

// release gives up the lock of c: it hands it to the first in line in this process if
// the store can do that, and otherwise frees it. Like free, it reports whether c had the
// lock until then.
func (m *Mutex) release(ctx context.Context, c backing.Claim) (backing.Released, error) {
	return m.perform(ctx, c, m.waitQueue.step(turn.Event{Kind: turn.Releasing, Holder: permitsOf(c), Alone: m.passer == nil}))
}

// perform frees the lock of c or passes it on, whichever package turn decided.
func (m *Mutex) perform(ctx context.Context, c backing.Claim, todo turn.Action) (backing.Released, error) {
	defer m.waitQueue.freed(c.Holder)
	if todo.Do == turn.Release {
		return m.free(ctx, c)
	}
	next := ownerOf(todo)
	outcome, err := m.pass(ctx, c, next, todo.Yield)
	after := m.waitQueue.step(turn.Event{Kind: turn.Passed, Waiter: &next.Waiter, Holder: todo.Holder, Yield: todo.Yield, Outcome: outcome})
	switch {
	case after.Do == turn.Undo:
		_ = m.cleanUp(ctx, next.claim) // its failure is reported to the observer
	case after.Do == turn.Nothing:
	case after.Holder == todo.Holder:
		return m.perform(ctx, c, after)
	default: // in the name of the waiter, which has left
		if _, err := m.perform(ctx, next.claim, after); err != nil {
			m.observe(ctx, Event{Kind: ReleaseFailed, Key: m.key, Holder: next.claim.Holder, Token: next.grant.Token, Err: err})
		}
	}
	if err != nil {
		return backing.NotHeld, err
	}
	return backing.FreedNow, nil
}

// pass asks the store to hand the lock of a claim to a waiter. With an error, the outcome is
// nil.
func (m *Mutex) pass(ctx context.Context, from backing.Claim, next *waiter, yield bool) (backing.Outcome, error) {
	passed := false
	defer func() {
		if !passed { // after a panic: the waiters must not wait for an answer
			if m.waitQueue.step(turn.Event{Kind: turn.Passed, Waiter: &next.Waiter, Holder: permitsOf(from)}).Do == turn.Undo {
				_ = m.beginCleanUp(ctx, next.claim)
			}
		}
	}()
	outcome, err := ask(ctx, m, OperationRelease, func(ctx context.Context) (backing.Outcome, error) {
		start := time.Now()
		outcome, err := m.passer.Pass(ctx, from, next.backing(), yield)
		if granted, ok := outcome.(backing.Granted); ok {
			next.grant = grant{granted.Grant, start}
		}
		return outcome, err
	})
	passed = true
	if err != nil {
		outcome = nil // what the store returned with an error means nothing
	}
	return releasing(m, outcome, err)
}

// free releases the lock of a claim, or makes sure that it is not held. FreedNow is also
// the answer if a try whose reply was lost freed the claim; FreedEarlier means that somebody
// else has released the lock in the claimant's name.
func (m *Mutex) free(ctx context.Context, c backing.Claim) (backing.Released, error) {
	released, err := ask(ctx, m, OperationRelease, m.releaseOnce(c))
	return releasing(m, released, err)
}

// releaseOnce returns an effect that sends one release. Further calls of the effect are
// retries of it.
func (m *Mutex) releaseOnce(c backing.Claim) effect.Effect[backing.Released] {
	tries := 0
	return func(ctx context.Context) (backing.Released, error) {
		tries++
		if m.releaser == nil {
			had, err := m.store.Release(ctx, c.Key, c.Holder)
			if had {
				return backing.FreedNow, err
			}
			return backing.NotHeld, err
		}
		released, err := m.releaser.ReleaseClaim(ctx, c)
		if released == backing.FreedEarlier && tries > 1 {
			return backing.FreedNow, err // by an earlier try
		}
		return released, err
	}
}
