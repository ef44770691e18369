package mutex

import (
	"context"
	"errors"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
)

// letGo gives up the lock of c: it hands it to the first in line of this
// process if the store can do that, and otherwise releases it. It reports
// whether c had the lock until then.
func (m *Mutex) letGo(ctx context.Context, c backing.Claim) (had bool, err error) {
	defer m.line.vacate(c.Holder)
	if m.passer == nil {
		return m.release(ctx, c)
	}
	next, yield := m.line.successor(c.Holder)
	if next == nil {
		return m.release(ctx, c)
	}
	said, err := passed{}, errNoAnswer
	defer func() { // also after a panic, or the line would stand still
		if option.IsNone(said.Grant) && next.passedBy(said, err) {
			m.forsake(ctx, next.claim)
		}
	}()
	said, err = m.pass(ctx, c, next, yield)
	grant, handed := option.Unwrap(said.Grant)
	if !handed {
		return said.had, err
	}
	if !next.handedOn(backing.Handed{Grant: grant, Start: said.start, Lease: next.claim.TTL}, yield) {
		// It left meanwhile: the lock goes on in its name.
		if _, err := m.letGo(ctx, next.claim); err != nil {
			m.observer(Event{Kind: ReleaseFailed, Key: m.key, Holder: next.claim.Holder, Token: grant.Token, Err: err})
		}
	}
	return true, nil
}

// forsake tells the store that the claimant has left, which it may have in its
// queue or as the holder. It tries once; the observer is told if it fails.
func (m *Mutex) forsake(ctx context.Context, c backing.Claim) {
	brief, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.operationTimeout)
	defer cancel()
	_, _ = once(brief, m, "release", m.freeing(c))
}

// errNoAnswer stands for what a panic says.
var errNoAnswer = errors.New("no answer")

// passed is the answer to a Pass that was sent at start.
type passed struct {
	backing.Standing
	had   bool
	start time.Time
}

func (m *Mutex) pass(ctx context.Context, from backing.Claim, next *place, yield bool) (passed, error) {
	p, err := ask(ctx, m, "release", func(ctx context.Context) (p passed, err error) {
		p.start = time.Now()
		p.had, p.Standing, err = m.passer.Pass(ctx, from.Holder, next.waiter(), yield)
		return p, err
	})
	return releasing(m, p, err)
}

// release frees the lock of a claim, or makes sure that it is not held.
func (m *Mutex) release(ctx context.Context, c backing.Claim) (bool, error) {
	released, err := ask(ctx, m, "release", m.freeing(c))
	return releasing(m, released, err)
}

func (m *Mutex) freeing(c backing.Claim) effect.Effect[bool] {
	return func(ctx context.Context) (bool, error) { return m.store.Release(ctx, c.Key, c.Holder) }
}
