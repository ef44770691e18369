package backingtest

import "github.com/effectlock/effectlock/backing"

func exerciseAcquire(run runner) {
	run("gives a free key", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", long)
		p.isHeldBy(freeIsGiven, k, "a")
	})

	run("gives keys apart from each other", func(p *probe) {
		k1, k2 := p.key("k1"), p.key("k2")
		p.acquires(freeIsGiven, k1, "a", long)
		p.acquires(freeIsGiven, k2, "b", long)
		p.isHeldBy(wholeStrings, k1, "a")
		p.releases(releaseFrees, k1, "a", true)
		p.isHeldBy(wholeStrings, k2, "b")
		p.isRefused(wholeStrings, k2, "a", long)
	})

	run("gives a released key to its last holder, under another attempt", func(p *probe) {
		k := p.key("k")
		for _, attempt := range []string{"1", "2", "3"} {
			p.acquiresClaim(releaseFrees, backing.Claim{Key: k, Holder: "a", TTL: long, Attempt: attempt})
			p.releases(releaseFrees, k, "a", true)
			p.isFree(releaseFrees, k)
		}
	})

	run("recognizes its holder under another attempt", func(p *probe) {
		p.lives(p.key("control"), "a")
		k := p.key("k")
		c := backing.Claim{Key: k, Holder: "a", TTL: long, Attempt: "1"}
		g := p.acquiresClaim(freeIsGiven, c)
		c.Attempt = "2"
		p.resumesClaim(sameButAttempt, c, g)
		c.Attempt = "3"
		if !p.refreshClaim(c) {
			p.breaks(sameButAttempt, "Refresh by %s answered false", quote(c.Holder))
		}
		p.isHeldBy(sameButAttempt, k, "a")
		p.releases(sameButAttempt, k, "a", true)
		p.isFree(sameButAttempt, k)
	})

	run("recognizes its holder and makes the lease longer", func(p *probe) {
		k, short := p.beforeExpiry(sameHolder, func(k string, _ backing.Grant) bool {
			again, ok := p.try(k, "a", long)
			return ok && (again.Resumed || p.mayRepeat())
		})
		p.runsOut(short)
		p.isHeldBy(sameHolder, k, "a")
	})

	run("recognizes its holder and makes the lease shorter", func(p *probe) {
		k := p.key("k")
		g := p.acquires(freeIsGiven, k, "a", long)
		p.resumes(k, "a", p.ttl, g)
		p.runsOut(p.ttl)
		p.isFree(sameHolder, k)
	})
}
