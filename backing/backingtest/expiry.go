package backingtest

import (
	"time"

	"github.com/effectlock/effectlock/backing"
)

func exerciseExpiry(run runner) {
	run("comes no sooner than the TTL", func(p *probe) {
		k := p.key("k")
		start := time.Now()
		p.acquires(freeIsGiven, k, "a", p.ttl)
		for {
			_, given := p.try(k, "b", p.ttl)
			took := time.Since(start)
			if !p.tooEarly(took, p.ttl) {
				return
			}
			if given {
				p.breaks(ttlRuns, "a lease of %v was over after %v", p.ttl, took)
			}
			time.Sleep(p.ttl / 20)
		}
	})

	run("frees the key", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", p.ttl)
		p.runsOut(p.ttl)
		p.isFree(expiredIsFree, k)
		p.acquires(expiredIsFree, k, "b", long)
		p.isHeldBy(expiredIsFree, k, "b")
	})

	run("frees the key for its last holder too", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", p.ttl)
		p.runsOut(p.ttl)
		p.acquires(expiredIsFree, k, "a", long)
		p.isHeldBy(expiredIsFree, k, "a")
	})

	run("is not hastened by one who asks for less", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", long)
		p.isRefused(freeIsGiven, k, "b", p.ttl)
		p.runsOut(p.ttl)
		p.isHeldBy(freeIsGiven, k, "a")
		p.isRefused(freeIsGiven, k, "b", p.ttl)
	})

	run("is not delayed by one who asks for more", func(p *probe) {
		k, short := p.beforeExpiry(freeIsGiven, func(k string, _ backing.Grant) bool {
			_, given := p.try(k, "b", long)
			return !given
		})
		p.runsOut(short)
		p.isFree(freeIsGiven, k)
	})

	run("follows the TTL of each grant", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", long)
		p.releases(releaseFrees, k, "a", true)
		p.acquires(releaseFrees, k, "b", p.ttl)
		p.runsOut(p.ttl)
		p.isFree(expiredIsFree, k)
		p.acquires(expiredIsFree, k, "c", long)
		p.runsOut(p.ttl)
		p.isHeldBy(ttlRuns, k, "c")
	})
}
