package backingtest

import "github.com/effectlock/effectlock/backing"

// Cases about passing a key while others wait for it.
func exerciseYield(run runner) {
	run("gives the key to the first waiter, and the next holder waits behind it", func(p *probe) {
		p.servesInTurn(p.key("control"))
		k := p.key("k")
		b, c, d := p.claimant(k, "b", long), p.claimant(k, "c", long), p.claimant(k, "d", long)
		g := p.acquires(freeIsGiven, k, "a", long)
		p.queues(b, c)
		p.passesTo(passYields, backing.Queued{}, "a", d, true)
		p.passesTo(passAgain, backing.Queued{}, "a", d, true)
		g = p.isGiven(passYields, b, g)
		p.releases(releaseFrees, k, "b", true)
		g = p.isGiven(releaseHands, c, g)
		p.releases(releaseFrees, k, "c", true)
		p.isGiven(passYields, d, g)
		p.releases(releaseFrees, k, "d", true)
		p.isFree(releaseFrees, k)
	})

	run("a second time finds the next holder where it is by then", func(p *probe) {
		p.servesInTurn(p.key("control"))
		k := p.key("k")
		b, c := p.claimant(k, "b", long), p.claimant(k, "c", long)
		g := p.acquires(freeIsGiven, k, "a", long)
		p.queues(b)
		p.passesTo(passYields, backing.Queued{}, "a", c, true)
		p.isGiven(passYields, b, g)
		p.releases(releaseFrees, k, "b", true)
		p.isHeldBy(passYields, k, "c")
		if p.unanswered {
			return
		}
		p.passesTo(passAgain, backing.Granted{}, "a", c, true)
		p.releases(releaseFrees, k, "c", true)
		p.passesTo(passAgain, backing.MustPoll{}, "a", c, true)
		p.isFree(passAgain, k)
	})

	run.offering("a memory of answered releases", refusesReleased)("to one that has been released gives the key to the first waiter", func(p *probe) {
		p.servesInTurn(p.key("control"))
		k := p.key("k")
		b, c := p.claimant(k, "b", long), p.claimant(k, "c", long)
		g := p.acquires(freeIsGiven, k, "a", long)
		p.queues(b)
		p.releases(releaseElse, k, "c", false)
		p.passesTo(passToReleased, backing.MustPoll{}, "a", c, false)
		p.isGiven(passToReleased, b, g)
	})

	run("without yielding gives the key to the next holder although others wait", func(p *probe) {
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
