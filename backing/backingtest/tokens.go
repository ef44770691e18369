package backingtest

import (
	"fmt"

	"github.com/effectlock/effectlock/backing"
)

func exerciseTokens(run runner) {
	run("rise over release", func(p *probe) {
		k, before := p.key("k"), backing.Grant{}
		for i, holder := range []string{"a", "b", "b", "a", "c"} {
			g := p.acquiresClaim(releaseFrees, backing.Claim{Key: k, Holder: holder, TTL: long, Attempt: fmt.Sprint(i)})
			if i > 0 {
				p.isHigher(before, g)
			}
			before = g
			p.isRefused(freeIsGiven, k, "rival", long)
			p.releases(releaseFrees, k, holder, true)
		}
	})

	run("rise over expiry", func(p *probe) {
		k := p.key("k")
		before := p.acquires(freeIsGiven, k, "a", p.ttl)
		for _, holder := range []string{"a", "b"} {
			p.runsOut(p.ttl)
			g := p.acquires(expiredIsFree, k, holder, p.ttl)
			p.isHigher(before, g)
			before = g
		}
	})
}

func (p *probe) isHigher(before, after backing.Grant) {
	p.Helper()
	fences := before.Token != 0 || after.Token != 0
	if fences && after.Token <= before.Token {
		p.breaks(tokensRise, "the new grant has token %d, the one before it had %d", after.Token, before.Token)
	}
}
