package backingtest

import "fmt"

func exerciseLeaving(run runner) {
	run("loses the place for one who comes back", func(p *probe) {
		p.servesInTurn(p.key("control"))
		k := p.key("k")
		b, c := p.claimant(k, "b", long), p.claimant(k, "c", long)
		g := p.acquires(freeIsGiven, k, "a", long)
		p.queues(b, c)
		p.releases(releaseElse, k, "b", false)
		again := p.comesBack(b)
		p.queues(again)
		p.releases(releaseFrees, k, "a", true)
		g = p.isGiven(releaseLeaves, c, g)
		p.releases(releaseFrees, k, "c", true)
		p.isGiven(releaseHands, again, g)
	})

	// It need not have been woken, and may be later.
	run("just when it was given the key, passes the key on", func(p *probe) {
		k := p.key("k")
		b, c := p.claimant(k, "b", long), p.claimant(k, "c", long)
		g := p.acquires(freeIsGiven, k, "a", long)
		p.queues(b, c)
		p.releases(releaseFrees, k, "a", true)
		p.isHeldBy(releaseHands, k, "b")
		p.releases(releaseFrees, k, "b", true)
		p.isGiven(releaseHands, c, g)
		p.releases(releaseFrees, k, "c", true)
		p.isFree(releaseFrees, k)
	})

	run("a second time leaves the one that was given the key alone", func(p *probe) {
		k := p.key("k")
		b, c := p.claimant(k, "b", long), p.claimant(k, "c", long)
		g := p.acquires(freeIsGiven, k, "a", long)
		p.queues(b, c)
		p.releases(releaseFrees, k, "a", true)
		g = p.isGiven(releaseHands, b, g)
		p.releases(releaseTwice, k, "a", true)
		p.isHeldBy(releaseInBetween, k, "b")
		p.releases(releaseFrees, k, "b", true)
		p.isGiven(releaseHands, c, g)
		if p.unanswered {
			return
		}
		p.releases(releaseTwice, k, "a", true)
		p.releases(releaseTwice, k, "b", true)
		p.isHeldBy(releaseInBetween, k, "c")
	})

	run("of any bytes is woken and leaves like every other", func(p *probe) {
		p.servesInTurn(p.key("control"))
		p.handsOn(p.key("k"), "b")
		odd := p.blaming(anyBytes)
		for _, s := range oddShapes {
			odd.handsOn(s+p.unique+s, s)
			odd.handsOn("{"+s+p.unique+"}", s)
		}
	})

	run("is not taken for another holder", func(p *probe) {
		p.leavesToAnother(p.key("k"), "b", "c")
		for i, pair := range alike {
			p.blaming(wholeStrings).leavesToAnother(p.key(fmt.Sprint("1-", i)), pair[0], pair[1])
			p.blaming(wholeStrings).leavesToAnother(p.key(fmt.Sprint("2-", i)), pair[1], pair[0])
		}
	})
}

// comesBack returns the claimant as it begins again after its release.
func (p *probe) comesBack(c *claimant) *claimant {
	again := c.Claim
	again.Attempt += "again"
	return p.claimantOf(again)
}

func (p *probe) handsOn(key, holder string) {
	p.Helper()
	c := p.claimant(key, holder, long)
	g := p.acquires(freeIsGiven, key, "rival", long)
	p.queues(c)
	p.releases(releaseElse, key, holder, false)
	c = p.comesBack(c)
	p.queues(c)
	p.releases(releaseFrees, key, "rival", true)
	p.isGiven(releaseHands, c, g)
	p.releases(releaseFrees, key, holder, true)
	p.isFree(releaseFrees, key)
}

func (p *probe) leavesToAnother(key, leaves, stays string) {
	p.Helper()
	other, c := p.claimant(key, leaves, long), p.claimant(key, stays, long)
	g := p.acquires(freeIsGiven, key, "rival", long)
	p.queues(c, other)
	p.releases(releaseElse, key, leaves, false)
	p.releases(releaseFrees, key, "rival", true)
	p.isGiven(releaseHands, c, g)
	p.releases(releaseFrees, key, stays, true)
	p.isFree(releaseLeaves, key)
}
