package backingtest

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/effectlock/effectlock/backing"
)

func exercisePass(run runner) {
	run("gives the key to the next holder", func(p *probe) {
		k := p.key("k")
		before := p.acquires(freeIsGiven, k, "a", long)
		p.passes(p.claimant(k, "b", long), before)
		p.isHeldBy(passMoves, k, "b")
		p.refreshes(refreshElse, k, "a", long, false)
		p.releases(passReleases, k, "a", true)
		p.isHeldBy(releaseInBetween, k, "b")
		p.releases(releaseFrees, k, "b", true)
		p.isFree(releaseFrees, k)
	})

	run("gives the key to the same holder under another attempt", func(p *probe) {
		k := p.key("k")
		first := backing.Claim{Key: k, Holder: "a", TTL: long, Attempt: "1"}
		before := p.acquiresClaim(freeIsGiven, first)
		p.passesClaim(first, p.claimantOf(backing.Claim{Key: k, Holder: "a", TTL: long, Attempt: "2"}), before)
		p.isHeldBy(passMoves, k, "a")
		p.releases(releaseFrees, k, "a", true)
		p.isFree(releaseFrees, k)
	})

	run("gives the next holder a lease of its own, a shorter one", func(p *probe) {
		k := p.key("k")
		before := p.acquires(freeIsGiven, k, "a", long)
		p.passes(p.claimant(k, "b", p.ttl), before)
		p.runsOut(p.ttl)
		p.isFree(passGrants, k)
	})

	run("gives the next holder a lease of its own, a longer one", func(p *probe) {
		k, short := p.beforeExpiry(passMoves, func(k string, _ backing.Grant) bool {
			_, refused := p.pass("a", p.claimant(k, "b", long), false).(backing.Refused)
			return !refused
		})
		p.runsOut(short)
		p.isHeldBy(passGrants, k, "b")
	})

	run("by one that does not have the key changes nothing", func(p *probe) {
		k, b := p.key("k"), p.claimant(p.key("k"), "b", long)
		p.passesNot("a", b)
		p.isFree(passElse, k)
		p.acquires(freeIsGiven, k, "c", p.ttl)
		p.passesNot("a", b)
		p.isHeldBy(passElse, k, "c")
		p.runsOut(p.ttl)
		p.isFree(passElse, k)
		p.passesNot("c", b)
		p.isFree(passElse, k)
		p.acquires(freeIsGiven, k, "b", long)
		p.passesNot("c", b)
		p.isHeldBy(passElse, k, "b")
	})

	run("a second time answers the same", func(p *probe) {
		k, b := p.key("k"), p.claimant(p.key("k"), "b", long)
		before := p.acquires(freeIsGiven, k, "a", long)
		g := p.passes(b, before)
		for range 3 {
			again, ok := p.pass("a", b, false).(backing.Granted)
			if !ok {
				p.breaks(passAgain, "the outcome was a grant before, and is none now")
			}
			p.isNotLower(g, again.Grant)
			g = again.Grant
			p.isHeldBy(passAgain, k, "b")
		}
		p.releases(releaseFrees, k, "b", true)
		if p.unanswered {
			return
		}
		p.passesTo(passAgain, backing.MustPoll{}, "a", b, false)
		p.isFree(passAgain, k)
	})

	run("to yield gives the key to the next holder if nobody waits, or leaves it to those who poll", func(p *probe) {
		k := p.key("k")
		before := p.acquires(freeIsGiven, k, "a", long)
		p.passes(p.claimant(k, "b", long), before)
		switch o := p.pass("b", p.claimant(k, "c", long), true).(type) {
		case backing.MustPoll:
			p.isFree(yieldPolls, k)
		case backing.Granted:
			if p.queue == nil {
				p.breaks(yieldPolls, "Pass by the holder answered a grant, although the store has no queue")
			}
			p.isHeldBy(passMoves, k, "c")
		default:
			p.breaks(yieldPolls, "Pass by the holder answered %v", outcome{o})
		}
	})

	run.offering("a memory of answered releases", refusesReleased)("to one that has been released leaves the key to others", func(p *probe) {
		for _, yield := range []bool{false, true} {
			k := p.key(fmt.Sprint(yield))
			b := p.claimant(k, "b", long)
			p.acquires(freeIsGiven, k, "a", long)
			p.releases(releaseElse, k, "b", false)
			p.passesTo(passToReleased, backing.MustPoll{}, "a", b, yield)
			p.isFree(passToReleased, k)
			p.releases(passToReleased, k, "a", true)
		}
	})

	run("does nothing after the context has ended", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", long)
		p.failsWhenEnded("Pass", func(ctx context.Context) error {
			from := backing.Claim{Key: k, Holder: "a", TTL: long}
			_, err := p.passer.Pass(ctx, from, p.claimant(k, "b", long).waiter(), false)
			return err
		})
		p.isHeldBy(endedContext, k, "a")
	})

	run("leaves no gap for others", func(p *probe) {
		const rivals, passes = 3, 60
		k := p.key("k")
		p.acquires(freeIsGiven, k, "p0", long)
		var passed atomic.Bool
		p.together(1+rivals, func(p *probe, i int) {
			if i == 0 {
				defer passed.Store(true)
				p.passesRound(k, passes)
				return
			}
			for !passed.Load() {
				if p.going.Err() != nil {
					runtime.Goexit()
				}
				if _, ok := p.try(k, "rival", long); ok {
					p.breaks(passMoves, "a rival was given the key while it was passed from one to the next")
				}
				time.Sleep(max(time.Millisecond, p.ttl/300))
			}
		})
	})
}

// passes hands the key, which "a" has, to next.
func (p *probe) passes(next *claimant, before backing.Grant) backing.Grant {
	p.Helper()
	return p.passesClaim(backing.Claim{Key: next.Key, Holder: "a", TTL: long}, next, before)
}

func (p *probe) passesClaim(from backing.Claim, next *claimant, before backing.Grant) backing.Grant {
	p.Helper()
	o := p.passClaim(from, next, false)
	g, granted := o.(backing.Granted)
	if _, refused := o.(backing.Refused); refused {
		p.breaks(passMoves, "Pass by %s, which has the key, answered Refused", quote(from.Holder))
	}
	if !granted {
		p.isHeldBy(passMoves, next.Key, next.Holder)
		p.breaks(passGrants, "Pass by %s, which has the key, answered %v", quote(from.Holder), outcome{o})
	}
	if g.Resumed && p.faults == nil {
		p.breaks(passGrants, "Pass by %s, which has the key, answered a grant that is not new", quote(from.Holder))
	}
	p.isHigher(before, g.Grant)
	return g.Grant
}

// passesTo passes a key, and checks the kind of the outcome.
func (p *probe) passesTo(r rule, want backing.Outcome, from string, next *claimant, yield bool) {
	p.Helper()
	if o := p.pass(from, next, yield); reflect.TypeOf(o) != reflect.TypeOf(want) {
		p.breaks(r, "Pass by %s answered %v, want %T", quote(from), outcome{o}, want)
	}
}

func (p *probe) passesNot(from string, next *claimant) {
	p.Helper()
	p.passesTo(passElse, backing.Refused{}, from, next, false)
}

// passesRound passes a key that p0 has from holder to holder.
func (p *probe) passesRound(k string, passes int) {
	p.Helper()
	g := backing.Grant{}
	for n := range passes {
		if p.going.Err() != nil {
			runtime.Goexit()
		}
		from := backing.Claim{Key: k, Holder: fmt.Sprint("p", n), TTL: long}
		g = p.passesClaim(from, p.claimant(k, fmt.Sprint("p", n+1), long), g)
	}
}
