package backingtest

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
)

func (p *probe) enqueue(c *claimant) (s backing.Standing) {
	p.Helper()
	p.ask(func(ctx context.Context) (err error) {
		s, err = p.queue.Enqueue(ctx, c.waiter())
		p.note("Enqueue(%s, %s, %v) = %s, %v", quote(c.Key), quote(c.Holder), c.TTL, standing(s), err)
		return err
	})
	c.askAgain = s.AskAgain
	if s.NotQueued != nil && s.AskAgain > 0 {
		p.breaks(notQueued, "%s is to ask again after %v, as one that is queued, but is not: %v", quote(c.Holder), s.AskAgain, s.NotQueued)
	}
	return s
}

func (p *probe) pass(from string, next *claimant, yield bool) (ok bool, s backing.Standing) {
	p.Helper()
	p.ask(func(ctx context.Context) (err error) {
		ok, s, err = p.passer.Pass(ctx, from, next.waiter(), yield)
		p.note("Pass(%s, from %s, to %s, %v, yield %t) = %t, %s, %v",
			quote(next.Key), quote(from), quote(next.Holder), next.TTL, yield, ok, standing(s), err)
		return err
	})
	next.askAgain = s.AskAgain
	return ok, s
}

// enqueueGives asks for a key that c must be given at once, as by TryAcquire.
func (p *probe) enqueueGives(c *claimant) backing.Grant {
	p.Helper()
	g, ok := option.Unwrap(p.enqueue(c).Grant)
	if !ok {
		p.breaks(enqueueTakes, "Enqueue by %s answered no grant", quote(c.Holder))
	}
	return g
}

// queues puts c in line for a key that somebody else has. It ends the case if
// the store does not queue.
func (p *probe) queues(all ...*claimant) {
	p.Helper()
	for _, c := range all {
		s := p.enqueue(c)
		if option.IsSome(s.Grant) {
			p.breaks(enqueueWaits, "Enqueue by %s answered a grant, and somebody else has the key", quote(c.Holder))
		}
		if s.AskAgain <= 0 {
			p.offersNot("a place in the queue: %v", s.NotQueued)
		}
	}
}

// isGiven checks that c has the key under a new grant and is told so, and
// makes its lease a long one.
func (p *probe) isGiven(r rule, c *claimant, before backing.Grant) backing.Grant {
	p.Helper()
	p.isHeldBy(r, c.Key, c.Holder)
	g, _ := p.isTold(c)
	p.isHigher(before, g)
	p.refreshes(refreshExtends, c.Key, c.Holder, long, true)
	return g
}

// isTold waits until c, which is in line or has come to its end, knows that it
// has the key. Like everybody who waits it asks again when it should. It
// returns what it was told, nil if that was lost and the store said so.
func (p *probe) isTold(c *claimant) (backing.Grant, *hearing) {
	p.Helper()
	start, asked := time.Now(), time.Now()
	for {
		if h, ok := c.last(); ok {
			p.isSound(c, h)
			return h.Grant, &h
		}
		left := patience - time.Since(start)
		if left <= 0 {
			p.breaks(toldOnce, "%s was told nothing in %v", quote(c.Holder), patience)
		}
		if retry := c.toRetry(); retry || time.Since(asked) >= c.askAgain {
			g, ok := option.Unwrap(p.enqueue(c).Grant)
			asked = time.Now()
			if ok && retry {
				return g, nil
			}
			if ok && c.times() == 0 {
				p.breaks(toldOnce, "%s learned that it has the key only when it asked", quote(c.Holder))
			}
			if !ok {
				c.askAgain = max(c.askAgain, p.ttl/100) // it may have to poll
			}
			continue
		}
		p.listens(c, min(left, c.askAgain-time.Since(asked)))
	}
}

func (p *probe) listens(c *claimant, most time.Duration) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-c.news:
	case <-timer.C:
	case <-p.going.Done():
		runtime.Goexit()
	}
}

// isSound checks what shows of a grant at the moment that it is heard of.
func (p *probe) isSound(c *claimant, h hearing) {
	p.Helper()
	p.note("%s was told: token %d, a lease of %v from %v before", quote(c.Holder), h.Token, h.Lease, h.at.Sub(h.Start))
	if h.Start.After(h.at) {
		p.breaks(startIsPast, "Start is %v after the call", h.Start.Sub(h.at))
	}
	if h.Lease <= 0 || h.Lease > c.TTL {
		p.breaks(leaseIsBounded, "the lease is %v, the claim's TTL %v", h.Lease, c.TTL)
	}
}

// standing prints how a claimant stands.
type standing backing.Standing

func (s standing) String() string {
	if g, ok := option.Unwrap(s.Grant); ok {
		return fmt.Sprint("granted ", g)
	}
	if s.NotQueued != nil {
		return fmt.Sprintf("not queued: %v", s.NotQueued)
	}
	return fmt.Sprintf("ask again in %v", s.AskAgain)
}
