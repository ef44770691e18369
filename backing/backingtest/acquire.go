package backingtest

import "github.com/effectlock/effectlock/backing"

func exerciseAcquire(run runner) {
	run("gives a free key", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", long)
		p.isHeldBy(freeIsGiven, k, "a")
	})

	run("refuses a key that another holder has", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", long)
		p.isRefused(freeIsGiven, k, "b", long)
		p.isRefused(freeIsGiven, k, "b", p.ttl)
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

	run("gives several keys to one holder", func(p *probe) {
		k1, k2 := p.key("k1"), p.key("k2")
		p.acquires(freeIsGiven, k1, "a", long)
		p.acquires(freeIsGiven, k2, "a", long)
		p.releases(releaseFrees, k1, "a", true)
		p.isHeldBy(wholeStrings, k2, "a")
	})

	run("gives a released key to the next holder", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", long)
		p.releases(releaseFrees, k, "a", true)
		for _, holder := range []string{"b", "a"} {
			p.acquires(releaseFrees, k, holder, long)
			p.releases(releaseFrees, k, holder, true)
		}
	})

	run("recognizes its holder", func(p *probe) {
		k := p.key("k")
		first := p.acquires(freeIsGiven, k, "a", long)
		for range 3 {
			if again := p.acquires(sameHolder, k, "a", long); again != first {
				p.breaks(sameHolder, "the token was %d and is %d now", first.Token, again.Token)
			}
		}
		p.isHeldBy(sameHolder, k, "a")
	})

	run("recognizes its holder and makes the lease longer", func(p *probe) {
		k, short := p.beforeExpiry(sameHolder, func(k string, first backing.Grant) bool {
			again, ok := p.try(k, "a", long)
			return ok && again == first
		})
		p.runsOut(short)
		p.isHeldBy(sameHolder, k, "a")
	})

	run("recognizes its holder and makes the lease shorter", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", long)
		p.acquires(sameHolder, k, "a", p.ttl)
		p.runsOut(p.ttl)
		p.isFree(sameHolder, k)
	})
}
