package backingtest

import "github.com/effectlock/effectlock/backing"

func exerciseAbilities(run runner) {
	run("are the same at each call", func(p *probe) {
		k := p.key("k")
		before := abilitiesOf(p.store)
		for _, holder := range []string{"a", "b", "c"} {
			p.acquires(releaseFrees, k, holder, long)
			p.releases(releaseFrees, k, holder, true)
			if now := abilitiesOf(p.store); now != before {
				p.breaks(abilitiesStay, "they were %+v, and are %+v now", before, now)
			}
		}
	})
}

// offers reports which abilities there are.
type offers struct{ queue, passer, batcher, releaser bool }

func abilitiesOf(b backing.Backing) offers {
	a := backing.AbilitiesOf(b)
	return offers{a.Queue != nil, a.Passer != nil, a.Batcher != nil, a.Releaser != nil}
}
