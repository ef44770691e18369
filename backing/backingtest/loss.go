package backingtest

import (
	"fmt"
	"time"

	"github.com/effectlock/effectlock/backing"
)

// Cases in which the store loses its data.
func exerciseWipe(run runner) {
	run("Refresh does not create the key again", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", long)
		p.refreshes(refreshExtends, k, "a", long, true)
		p.wipes()
		for range 2 {
			p.refreshes(refreshElse, k, "a", long, false)
			p.isFree(refreshElse, k)
		}
		p.acquires(freeIsGiven, k, "b", long)
		p.refreshes(refreshElse, k, "a", long, false)
		p.isHeldBy(refreshElse, k, "b")
	})

	run.offering("backing.Batcher", hasBatcher)("RefreshAll does not create the keys again", func(p *probe) {
		claims, want := p.mixedClaims(10)
		p.refreshesAll(refreshAllEach, claims, want)
		p.wipes()
		p.refreshesAll(refreshAllEach, claims, make([]bool, len(claims)))
		for _, c := range claims {
			p.isFree(refreshAllEach, c.Key)
		}
	})

	run("tokens rise over it", func(p *probe) {
		k := p.key("k")
		before := p.acquires(freeIsGiven, k, "a", long)
		for _, holder := range []string{"b", "a"} {
			p.wipes()
			g := p.acquires(freeIsGiven, k, holder, long)
			p.isHigher(before, g)
			before = g
		}
	})

	queue := run.offering("backing.Queue", hasQueue)
	queue("one who waits finds the key free when it asks again", func(p *probe) {
		k := p.key("k")
		b := p.claimant(k, "b", long)
		before := p.acquires(freeIsGiven, k, "a", long)
		p.queues(b)
		p.wipes()
		p.refreshes(refreshElse, k, "a", long, false)
		p.isHigher(before, p.findsOut(b))
	})
}

// Cases in which the store is restarted, with its data.
func exerciseRestart(run runner) {
	run("leases go on to run", func(p *probe) {
		k := p.key("k")
		g := p.acquires(freeIsGiven, k, "a", long)
		p.restarts()
		p.isHeldBy(ttlRuns, k, "a")
		p.isRefused(freeIsGiven, k, "b", long)
		p.refreshes(refreshExtends, k, "a", long, true)
		p.keeps(k, "a", g)
	})

	run("leases end in time", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", p.ttl)
		p.restarts()
		p.runsOut(p.ttl)
		p.isFree(ttlRuns, k)
	})

	run("Release asked again has released", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", long)
		p.releases(releaseFrees, k, "a", true)
		p.restarts()
		p.releases(releaseTwice, k, "a", true)
		p.isFree(releaseTwice, k)
	})

	run("tokens rise over it", func(p *probe) {
		k := p.key("k")
		before := backing.Grant{}
		for i, holder := range []string{"a", "a", "b", "a"} {
			c := backing.Claim{Key: k, Holder: holder, TTL: long, Attempt: fmt.Sprint(i)}
			g := p.acquiresClaim(freeIsGiven, c)
			p.isHigher(before, g)
			before = g
			p.releases(releaseFrees, k, holder, true)
			p.restarts()
		}
	})

	queue := run.offering("backing.Queue", hasQueue)
	queue("one who waits has the key after all", func(p *probe) {
		k := p.key("k")
		b := p.claimant(k, "b", long)
		before := p.acquires(freeIsGiven, k, "a", long)
		p.queues(b)
		p.restarts()
		p.releases(releaseFrees, k, "a", true)
		p.isHigher(before, p.findsOut(b))
	})
}

// findsOut lets c, which may have missed a wake-up, ask until it has the key, which nobody
// else wants any more.
func (p *probe) findsOut(c *claimant) backing.Grant {
	p.Helper()
	for start := time.Now(); ; p.sleeps(c, min(soon, max(c.askAgain, p.ttl/30))) {
		if g, ok := p.enqueue(c).(backing.Granted); ok {
			p.isHeldBy(enqueueTakes, c.Key, c.Holder)
			return g.Grant
		}
		if took := time.Since(start); took > patience {
			p.breaks(enqueueTakes, "%s has asked for %v without being granted the key, which nobody else has", quote(c.Holder), took)
		}
	}
}
