package backingtest

import (
	"time"

	"github.com/effectlock/effectlock/backing"
)

// Cases in which a request arrives after the release of its claim.
func exerciseLate(run runner) {
	refused := func(name, attempt string, release func(p *probe, c backing.Claim)) {
		run(name, func(p *probe) {
			c := backing.Claim{Key: p.key("k"), Holder: "a", TTL: long, Attempt: attempt}
			release(p, c)
			p.refusesLate(c)
			p.acquires(freeIsGiven, c.Key, "b", long)
			p.refusesLate(c)
			p.isHeldBy(lateIsRefused, c.Key, "b")
		})
	}
	for attempt, with := range map[string]string{"": "", "1": ", with an attempt"} {
		refused("are refused"+with, attempt, func(p *probe, c backing.Claim) {
			p.acquiresClaim(freeIsGiven, c)
			p.reports(releaseReports, c, backing.FreedNow)
		})
		refused("that the release overtook are refused"+with, attempt, func(p *probe, c backing.Claim) {
			p.reports(foundNothing, c, backing.NotHeld)
		})
	}
	refused("after Release are refused", "", func(p *probe, c backing.Claim) {
		p.acquiresClaim(freeIsGiven, c)
		p.releases(releaseFrees, c.Key, c.Holder, true)
	})
	refused("that Release overtook are refused", "", func(p *probe, c backing.Claim) {
		p.releases(releaseElse, c.Key, c.Holder, false)
	})

	run("are refused for as long as a release is remembered", func(p *probe) {
		c := backing.Claim{Key: p.key("k"), Holder: "a", TTL: long}
		p.acquiresClaim(freeIsGiven, c)
		start := time.Now()
		p.reports(releaseReports, c, backing.FreedNow)
		time.Sleep(almostForgotten)
		if _, ok := p.tryClaim(c); ok && time.Since(start) < backing.ReleaseMemory {
			p.breaks(lateIsRefused, "TryAcquire by a was granted the key %v after its release", time.Since(start))
		}
	})

	run("do not touch a later acquisition of the same holder", func(p *probe) {
		first := backing.Claim{Key: p.key("k"), Holder: "a", TTL: long, Attempt: "1"}
		second := backing.Claim{Key: p.key("k"), Holder: "a", TTL: p.ttl, Attempt: "2"}
		p.acquiresClaim(freeIsGiven, first)
		p.reports(releaseReports, first, backing.FreedNow)
		p.acquiresClaim(releaseFrees, second)
		p.refusesLate(first)
		p.runsOut(p.ttl)
		p.isFree(lateIsRefused, first.Key)
	})

	run.offering("backing.Passer", hasPasser)("of one that has passed the key on are refused", func(p *probe) {
		k := p.key("k")
		b := p.claimant(k, "b", long)
		before := p.acquires(freeIsGiven, k, "a", long)
		p.passes(b, before)
		p.releases(releaseFrees, k, "b", true)
		p.isRefused(lateIsRefused, k, "a", long)
		p.isFree(lateIsRefused, k)
	})
}

// refusesLate asks for the key in each way, with a claim that has been released.
func (p *probe) refusesLate(c backing.Claim) {
	p.Helper()
	p.isRefusedClaim(lateIsRefused, c)
	if p.queue == nil {
		return
	}
	control := p.claimant(p.key("control"), "z", long)
	p.enqueueGives(control)
	p.enqueueGives(control)
	o := p.enqueue(p.claimantOf(c))
	if _, ok := o.(backing.Refused); !ok {
		p.breaks(enqueueLate, "Enqueue by %s answered %v, want Refused", quote(c.Holder), outcome{o})
	}
}
