package mutex

import (
	"context"
	"errors"
	"time"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
)

// letGo gives up the lock of c: it hands it to the first in line of this
// process if the store can do that, and otherwise releases it. It reports
// whether c had the lock until then, as release does.
func (m *Mutex) letGo(ctx context.Context, c backing.Claim) (backing.Released, error) {
	defer m.line.vacate(c.Holder)
	if m.passer == nil {
		return m.release(ctx, c)
	}
	next, yield := m.line.successor(c.Holder)
	if next == nil {
		return m.release(ctx, c)
	}
	p, err := passed{}, errNoAnswer
	defer func() { // also after a panic, or the line would stand still
		if _, granted := p.outcome.(backing.Granted); !granted && next.handoverFailed(p.outcome, err) {
			_ = m.cleanUp(ctx, next.claim) // its failure is reported to the observer
		}
	}()
	p, err = m.pass(ctx, c, next, yield)
	switch outcome := p.outcome.(type) {
	case backing.Granted:
		if !next.handoverDone(grant{outcome.Grant, p.start}, yield) {
			// It left meanwhile: the lock goes on in its name.
			if _, err := m.letGo(ctx, next.claim); err != nil {
				m.observer(Event{Kind: ReleaseFailed, Key: m.key, Holder: next.claim.Holder, Token: outcome.Token, Err: err})
			}
		}
		return backing.FreedNow, nil
	case backing.Queued, backing.MustPoll:
		return backing.FreedNow, nil
	case backing.Refused:
		// The store has not noted that c has let go, and a request of it may be under way.
		return m.release(ctx, c)
	default: // Pass failed
		return backing.NotHeld, err
	}
}

// errNoAnswer stands for what a panic says.
var errNoAnswer = errors.New("no answer")

// passed is the answer to a Pass that was sent at start.
type passed struct {
	outcome backing.Outcome // nil if Pass failed
	start   time.Time
}

func (m *Mutex) pass(ctx context.Context, from backing.Claim, next *place, yield bool) (passed, error) {
	p, err := ask(ctx, m, "release", func(ctx context.Context) (p passed, err error) {
		p.start = time.Now()
		p.outcome, err = m.passer.Pass(ctx, from, next.waiter(), yield)
		return p, err
	})
	if err != nil {
		p.outcome = nil // beside an error it means nothing
	}
	return releasing(m, p, err)
}

// release frees the lock of a claim, or makes sure that it is not held. FreedNow is also
// the answer if the claim was freed by a try whose reply was lost; FreedEarlier means that
// somebody else has released the lock in the claimant's name.
func (m *Mutex) release(ctx context.Context, c backing.Claim) (backing.Released, error) {
	released, err := ask(ctx, m, "release", m.releaseOnce(c))
	return releasing(m, released, err)
}

// releaseOnce is one try of a release. Calls of the effect that it returns are tries of
// the same one.
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
			return backing.FreedNow, err // by the try before
		}
		return released, err
	}
}
