package backingtest

import "github.com/effectlock/effectlock/backing"

// Cases that show how passing a key and waiting for it go together.
func exerciseYield(run runner) {
	run("gives the key to the first who waits, and the next holder waits behind", func(p *probe) {
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

	run("finds the next holder, asked again, where it has come since", func(p *probe) {
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

	run.offering("a memory of answered releases", refusesReleased)("to one that has been released gives the key to the first who waits", func(p *probe) {
		p.servesInTurn(p.key("control"))
		k := p.key("k")
		b, c := p.claimant(k, "b", long), p.claimant(k, "c", long)
		g := p.acquires(freeIsGiven, k, "a", long)
		p.queues(b)
		p.releases(releaseElse, k, "c", false)
		p.passesTo(passToReleased, backing.MustPoll{}, "a", c, false)
		p.isGiven(passToReleased, b, g)
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
