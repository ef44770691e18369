package backingtest

import "time"

func exerciseHanded(run runner) {
	run("runs no shorter than was told", func(p *probe) {
		c := p.claimant(p.key("k"), "b", p.ttl)
		h := p.handsTo(c)
		for {
			_, given := p.try(c.Key, "rival", p.ttl)
			took := time.Since(h.Start)
			if !p.tooEarly(took, h.Lease) {
				return
			}
			if given {
				p.breaks(leaseIsReal, "a lease of %v was over %v after Start", h.Lease, took)
			}
			time.Sleep(p.ttl / 20)
		}
	})

	run("runs no longer than was told", func(p *probe) {
		c := p.claimant(p.key("k"), "b", p.ttl)
		h := p.handsTo(c)
		p.runsOut(h.Lease)
		p.isFree(leaseIsReal, c.Key)
	})

	run("runs for the TTL once it is refreshed", func(p *probe) {
		c := p.claimant(p.key("k"), "b", p.ttl)
		p.handsTo(c)
		p.refreshes(firstRefresh, c.Key, c.Holder, long, true)
		p.runsOut(p.ttl)
		p.isHeldBy(firstRefresh, c.Key, c.Holder)
	})

	run("is the grant that its holder finds when it asks", func(p *probe) {
		c := p.claimant(p.key("k"), "b", long)
		h := p.handsTo(c)
		if g := p.acquires(sameHolder, c.Key, c.Holder, long); g != h.Grant {
			p.breaks(sameHolder, "the token was %d and is %d now", h.Token, g.Token)
		}
		if g := p.enqueueGives(c); g != h.Grant {
			p.breaks(enqueueTakes, "the token was %d and is %d now", h.Token, g.Token)
		}
	})
}
