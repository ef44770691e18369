package backingtest

import (
	"time"

	"github.com/effectlock/effectlock/backing"
)

func exerciseRelease(run runner) {
	run("frees the key", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", long)
		p.releases(releaseFrees, k, "a", true)
		p.isFree(releaseFrees, k)
	})

	run("after expiry answers false", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", p.ttl)
		p.runsOut(p.ttl)
		p.isFree(expiredIsFree, k)
		p.releases(releaseElse, k, "a", false)
	})

	run("after expiry leaves the next holder alone", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", p.ttl)
		p.runsOut(p.ttl)
		p.acquires(expiredIsFree, k, "b", long)
		p.releases(releaseElse, k, "a", false)
		p.isHeldBy(releaseElse, k, "b")
	})

	run("a second time answers true", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", long)
		p.releases(releaseFrees, k, "a", true)
		p.isFree(releaseFrees, k)
		for range 3 {
			p.releases(releaseTwice, k, "a", true)
			p.isFree(releaseTwice, k)
		}
	})

	run("a second time leaves a holder in between alone", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", long)
		p.releases(releaseFrees, k, "a", true)
		p.acquires(releaseFrees, k, "b", long)
		p.releases(releaseTwice, k, "a", true)
		p.isHeldBy(releaseInBetween, k, "b")
		if p.unanswered {
			return
		}

		p.releases(releaseFrees, k, "b", true)
		p.acquires(releaseFrees, k, "c", long)
		p.releases(releaseTwice, k, "a", true)
		p.releases(releaseTwice, k, "b", true)
		p.isHeldBy(releaseInBetween, k, "c")
	})

	run("a second time leaves the lease in between as it is", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", long)
		p.releases(releaseFrees, k, "a", true)
		p.acquires(releaseFrees, k, "b", p.ttl)
		p.releases(releaseTwice, k, "a", true)
		p.runsOut(p.ttl)
		p.isFree(releaseInBetween, k)
	})

	run("a second time answers true after the released lease would have ended", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", p.ttl)
		if !p.release(k, "a") {
			return // the machine was too slow: the lease had ended
		}
		p.runsOut(p.ttl)
		p.releases(releaseTwice, k, "a", true)
	})

	run("is remembered for as long as it may be asked for again", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", long)
		p.releases(releaseFrees, k, "a", true)
		time.Sleep(almostForgotten)
		p.releases(releaseTwice, k, "a", true)
	})
}

// almostForgotten is as long as a store must remember a release, less the time that a few
// calls take.
const almostForgotten = backing.ReleaseMemory - time.Second
