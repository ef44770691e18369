package backingtest

import "github.com/effectlock/effectlock/backing"

func exerciseRefresh(run runner) {
	run("makes the lease longer", func(p *probe) {
		k, short := p.beforeExpiry(refreshExtends, func(k string, _ backing.Grant) bool {
			return p.refresh(k, "a", long)
		})
		p.runsOut(short)
		p.isHeldBy(refreshExtends, k, "a")
	})

	run("makes the lease shorter", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", long)
		p.refreshes(refreshExtends, k, "a", p.ttl, true)
		p.runsOut(p.ttl)
		p.isFree(refreshExtends, k)
	})

	run("by another holder does not lengthen the lease", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", p.ttl)
		p.refreshes(refreshElse, k, "b", long, false)
		p.runsOut(p.ttl)
		p.isFree(refreshElse, k)
	})

	run("by another holder does not shorten the lease", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", long)
		p.refreshes(refreshElse, k, "b", p.ttl, false)
		p.runsOut(p.ttl)
		p.isHeldBy(refreshElse, k, "a")
	})

	run("does not create a key that never was", func(p *probe) {
		k := p.key("k")
		p.refreshes(refreshElse, k, "a", long, false)
		p.isFree(refreshElse, k)
	})

	run("does not create the key again after release", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", long)
		p.releases(releaseFrees, k, "a", true)
		p.isFree(releaseFrees, k)
		p.refreshes(refreshElse, k, "a", long, false)
		p.isFree(refreshElse, k)
	})

	run("does not create the key again after expiry", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", p.ttl)
		p.runsOut(p.ttl)
		p.isFree(expiredIsFree, k)
		p.refreshes(refreshElse, k, "a", long, false)
		p.isFree(refreshElse, k)
	})

	run("after expiry does not touch the next holder", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", p.ttl)
		p.runsOut(p.ttl)
		p.acquires(expiredIsFree, k, "b", long)
		p.refreshes(refreshElse, k, "a", p.ttl, false)
		p.runsOut(p.ttl)
		p.isHeldBy(refreshElse, k, "b")
	})

	run("fails when another holder has come and gone", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", p.ttl)
		p.runsOut(p.ttl)
		p.acquires(expiredIsFree, k, "b", long)
		p.releases(releaseFrees, k, "b", true)
		p.isFree(releaseFrees, k)
		p.refreshes(refreshElse, k, "a", long, false)
		p.isFree(refreshElse, k)
	})
}
