package backingtest

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
)

func exercisePass(run runner) {
	run("gives the key to the next holder", func(p *probe) {
		k := p.key("k")
		before := p.acquires(freeIsGiven, k, "a", long)
		p.passes(p.claimant(k, "b", long), before)
		p.isHeldBy(passMoves, k, "b")
		p.refreshes(refreshElse, k, "a", long, false)
		p.release(k, "a")
		p.isHeldBy(releaseElse, k, "b")
		p.releases(releaseFrees, k, "b", true)
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
			ok, _ := p.pass("a", p.claimant(k, "b", long), false)
			return ok
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
			ok, s := p.pass("a", b, false)
			if again, some := option.Unwrap(s.Grant); !ok || !some || again != g {
				p.breaks(passAgain, "Pass answered %t, %s, and before: true, granted %v", ok, standing(s), g)
			}
			p.isHeldBy(passAgain, k, "b")
		}
		p.releases(releaseFrees, k, "b", true)
		if ok, s := p.pass("a", b, false); !ok || option.IsSome(s.Grant) {
			p.breaks(passLater, "Pass answered %t, %s", ok, standing(s))
		}
		p.isFree(passLater, k)
	})

	run("to yield gives the key to the next holder if nobody waits, or leaves it to those who poll", func(p *probe) {
		k := p.key("k")
		before := p.acquires(freeIsGiven, k, "a", long)
		p.passes(p.claimant(k, "b", long), before)
		ok, s := p.pass("b", p.claimant(k, "c", long), true)
		switch {
		case !ok || p.queue == nil && option.IsSome(s.Grant):
			p.breaks(yieldUnheard, "Pass by the holder answered %t, %s", ok, standing(s))
		case option.IsSome(s.Grant):
			p.isHeldBy(passMoves, k, "c")
		default:
			p.isFree(yieldUnheard, k)
		}
	})

	run("does nothing after the context has ended", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", long)
		p.failsWhenEnded("Pass", func(ctx context.Context) error {
			_, _, err := p.passer.Pass(ctx, "a", p.claimant(k, "b", long).waiter(), false)
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

// Cases that show how passing a key and waiting for it go together.
func exerciseYield(run runner) {
	run("gives the key to the first who waits, and the next holder waits behind", func(p *probe) {
		p.servesInTurn(p.key("control"))
		k := p.key("k")
		b, c, d := p.claimant(k, "b", long), p.claimant(k, "c", long), p.claimant(k, "d", long)
		g := p.acquires(freeIsGiven, k, "a", long)
		p.queues(b, c)
		ok, s := p.pass("a", d, true)
		if !ok || option.IsSome(s.Grant) || s.AskAgain <= 0 {
			p.breaks(passYields, "Pass answered %t, %s", ok, standing(s))
		}
		g = p.isGiven(passYields, b, g)
		p.releases(releaseFrees, k, "b", true)
		g = p.isGiven(releaseHands, c, g)
		p.releases(releaseFrees, k, "c", true)
		p.isGiven(passYields, d, g)
		p.releases(releaseFrees, k, "d", true)
		p.isFree(releaseFrees, k)
	})

	run("and not, gives it to the next holder though others wait", func(p *probe) {
		k := p.key("k")
		b := p.claimant(k, "b", long)
		g := p.acquires(freeIsGiven, k, "a", long)
		p.queues(b)
		g = p.passes(p.claimant(k, "c", long), g)
		p.isHeldBy(passMoves, k, "c")
		p.releases(releaseFrees, k, "c", true)
		p.isGiven(releaseHands, b, g)
	})
}

// passes hands the key, which a has, to next.
func (p *probe) passes(next *claimant, before backing.Grant) backing.Grant {
	p.Helper()
	ok, s := p.pass("a", next, false)
	g, some := option.Unwrap(s.Grant)
	if !ok {
		p.breaks(passMoves, "Pass by a, who has the key, answered false")
	}
	if !some {
		p.isHeldBy(passMoves, next.Key, next.Holder)
		p.breaks(passGrants, "Pass by a, who has the key, answered true, %s", standing(s))
	}
	p.isHigher(before, g)
	return g
}

func (p *probe) passesNot(from string, next *claimant) {
	p.Helper()
	if ok, s := p.pass(from, next, false); ok {
		p.breaks(passElse, "Pass by %s answered true, %s", quote(from), standing(s))
	}
}

// passesRound passes a key that p0 has from hand to hand.
func (p *probe) passesRound(k string, passes int) {
	p.Helper()
	names := []string{"p0", "p1", "p2"}
	g := backing.Grant{}
	for n := range passes {
		if p.going.Err() != nil {
			runtime.Goexit()
		}
		next := p.claimant(k, names[(n+1)%3], long)
		ok, s := p.pass(names[n%3], next, false)
		again, _ := option.Unwrap(s.Grant)
		if !ok {
			p.breaks(passMoves, "Pass by %s, who has the key, answered false", names[n%3])
		}
		p.isHigher(g, again)
		g = again
	}
}
