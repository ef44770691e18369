package backingtest

import (
	"context"
	"runtime"
	"time"

	"github.com/effectlock/effectlock/backing"
)

func (p *probe) enqueue(c *claimant) (o backing.Outcome) {
	p.Helper()
	p.ask(func(ctx context.Context) (err error) {
		o, err = p.queue.Enqueue(ctx, c.waiter())
		p.note("Enqueue(%s) = %v, %v", claim(c.Claim), outcome{o}, err)
		return err
	})
	p.isSound("Enqueue", c, o)
	return o
}

func (p *probe) pass(from string, next *claimant, yield bool) backing.Outcome {
	p.Helper()
	return p.passClaim(backing.Claim{Key: next.Key, Holder: from, TTL: long}, next, yield)
}

func (p *probe) passClaim(from backing.Claim, next *claimant, yield bool) (o backing.Outcome) {
	p.Helper()
	p.ask(func(ctx context.Context) (err error) {
		o, err = p.passer.Pass(ctx, from, next.waiter(), yield)
		p.note("Pass(from %s, to %s, yield %t) = %v, %v", claim(from), claim(next.Claim), yield, outcome{o}, err)
		return err
	})
	p.isSound("Pass", next, o)
	return o
}

// isSound checks what holds for every outcome, and notes when c is to ask again: 0 if it is
// not in the queue.
func (p *probe) isSound(name string, c *claimant, o backing.Outcome) {
	p.Helper()
	c.askAgain = 0
	switch o := o.(type) {
	case backing.Granted, backing.MustPoll, backing.Refused:
	case backing.Queued:
		if o.AskAgain <= 0 {
			p.breaks(askAgain, "%s is to ask again in %v", quote(c.Holder), o.AskAgain)
		}
		c.askAgain = o.AskAgain
	default:
		p.breaks(noAnswer, "%s answered %v, which is not an outcome, without an error", name, o)
	}
}

// enqueueGives enqueues c for a key that it must be given at once, as by TryAcquire.
func (p *probe) enqueueGives(c *claimant) backing.Grant {
	p.Helper()
	o := p.enqueue(c)
	g, ok := o.(backing.Granted)
	if !ok {
		p.breaks(enqueueTakes, "Enqueue by %s answered %v, want a grant", quote(c.Holder), outcome{o})
	}
	return g.Grant
}

// queues puts claimants in the queue for a key that another holder has. It ends the case if
// the store does not queue.
func (p *probe) queues(all ...*claimant) {
	p.Helper()
	for _, c := range all {
		switch o := p.enqueue(c).(type) {
		case backing.Queued:
		case backing.MustPoll:
			p.offersNot("a place in the queue: %v", o.Why)
		default:
			p.breaks(enqueueWaits, "Enqueue by %s answered %v, although another holder has the key", quote(c.Holder), outcome{o})
		}
	}
}

// isGiven checks that c has the key before it asks, is woken, and is granted the key when
// it asks.
func (p *probe) isGiven(r rule, c *claimant, before backing.Grant) backing.Grant {
	p.Helper()
	p.isHeldBy(r, c.Key, c.Holder)
	g := p.isWoken(c)
	if !g.Resumed && !p.mayRepeat() {
		p.breaks(resumedMeans, "%s had the key when it asked, and was granted it as if it were free", quote(c.Holder))
	}
	p.isHigher(before, g)
	return g
}

// isWoken waits until c, which is queued or has just been given the key, is granted the key
// because it was woken. Like every waiter, c also asks again at AskAgain.
func (p *probe) isWoken(c *claimant) backing.Grant {
	p.Helper()
	start, asked, woken := time.Now(), time.Now(), 0
	for {
		polls := c.askAgain == 0
		pause := max(c.askAgain, p.ttl/100) - time.Since(asked)
		inTime := p.sleeps(c, min(pause, patience-time.Since(start)))
		if inTime {
			woken++
		}
		o := p.enqueue(c)
		asked = time.Now()
		if g, ok := o.(backing.Granted); ok {
			if !inTime && !polls {
				p.breaks(wakes, "%s found out that it has the key only when it asked", quote(c.Holder))
			}
			return g.Grant
		}
		if _, refused := o.(backing.Refused); refused {
			p.breaks(enqueueWaits, "Enqueue by %s, which waits, answered Refused", quote(c.Holder))
		}
		if took := time.Since(start); took >= patience {
			r := wakes
			if holder, some := p.holder(c.Key); woken > 0 && some && holder == c.Holder {
				r = enqueueTakes
			}
			p.breaks(r, "%s was woken %d times in %v, and not granted the key", quote(c.Holder), woken, took)
		}
	}
}

// sleeps waits until c is woken, and reports whether that was in time.
func (p *probe) sleeps(c *claimant, most time.Duration) bool {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-c.woken:
		return true
	case <-timer.C:
		return false
	case <-p.going.Done():
		runtime.Goexit()
		panic("unreachable")
	}
}

// isServed waits in the queue.
func (p *probe) isServed(c *claimant) backing.Grant {
	p.Helper()
	if g, ok := p.enqueue(c).(backing.Granted); ok {
		return g.Grant
	}
	return p.isWoken(c)
}
