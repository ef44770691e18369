package backingtest

import (
	"fmt"
	"sync/atomic"

	"github.com/effectlock/effectlock/backing"
)

func exerciseCrowding(run runner) {
	run("never two holders at once, and each is served once", func(p *probe) {
		const workers, turns = 8, 5
		p.servesInTurn(p.key("control"))
		p.enqueueGives(p.claimant(p.key("control"), "z", long))
		k := p.key("k")
		var inside atomic.Int32
		var before atomic.Uint64
		p.together(workers, func(p *probe, i int) {
			for turn := range turns {
				c := p.claimant(k, fmt.Sprintf("%c%d", 'a'+i, turn), long)
				g := p.isServed(c)
				if n := inside.Add(1); n != 1 {
					p.breaks(eachAtomic, "%d holders have the key", n)
				}
				p.isHeldBy(eachAtomic, k, c.Holder)
				p.isHigher(backing.Grant{Token: before.Swap(g.Token)}, g)
				p.refreshes(refreshExtends, k, c.Holder, long, true)
				inside.Add(-1)
				p.releases(releaseFrees, k, c.Holder, true)
			}
		})
		p.isFree(releaseFrees, k)
	})

	// Some leave as they are given the key, and must not keep it.
	run("claimants that leave are passed over", func(p *probe) {
		const rounds, workers = 10, 6
		p.leavesToAnother(p.key("control"), "b", "c")
		p.enqueueGives(p.claimant(p.key("control"), "z", long))
		for round := range rounds {
			k := p.key(fmt.Sprint(round))
			p.acquires(freeIsGiven, k, "holder", long)
			p.together(workers, func(p *probe, i int) {
				c := p.claimant(k, fmt.Sprintf("%c", 'a'+i), long)
				switch {
				case i == 0:
					p.releases(releaseFrees, k, "holder", true)
				case i%2 == 0:
					p.enqueue(c)
					p.release(k, c.Holder)
				default:
					p.isServed(c)
					p.releases(releaseFrees, k, c.Holder, true)
				}
			})
			p.isFree(releaseLeaves, k)
		}
	})
}
