package backingtest

import (
	"context"
	"fmt"

	"github.com/effectlock/effectlock/backing"
)

func exerciseBatch(run runner) {
	run("answers in the order of the claims", func(p *probe) {
		p.refreshesBoth()
		claims, want := p.mixedClaims(10)
		p.refreshesAll(refreshAllEach, claims, want)
	})

	run("of many claims answers each", func(p *probe) {
		p.refreshesBoth()
		claims, want := p.mixedClaims(p.keys / 10)
		p.refreshesAll(refreshAllEach, claims, want)
	})

	run("of no claims answers nothing", func(p *probe) { p.refreshesAll(refreshAllEach, nil, nil) })

	run("makes leases longer and shorter", func(p *probe) {
		shorter := backing.Claim{Key: p.key("shorter"), Holder: "a", TTL: p.ttl}
		p.acquires(freeIsGiven, shorter.Key, "a", long)
		k, short := p.beforeExpiry(refreshAllEach, func(k string, _ backing.Grant) bool {
			answers := p.refreshAll([]backing.Claim{{Key: k, Holder: "a", TTL: long}, shorter})
			return len(answers) == 2 && answers[0].Held && answers[1].Held
		})
		p.runsOut(max(short, p.ttl))
		p.isHeldBy(refreshAllEach, k, "a")
		p.isFree(refreshAllEach, shorter.Key)
	})

	run("does not touch what its claimant does not have", func(p *probe) {
		free, others := p.key("free"), p.key("others")
		p.acquires(freeIsGiven, others, "b", p.ttl)
		claims := []backing.Claim{{Key: free, Holder: "a", TTL: long}, {Key: others, Holder: "a", TTL: long}}
		p.refreshesAll(refreshAllEach, claims, []bool{false, false})
		p.isFree(refreshAllEach, free)
		p.runsOut(p.ttl)
		p.isFree(refreshAllEach, others)
	})

	run("may name keys and holders of any bytes", func(p *probe) {
		p.refreshesAll(refreshAllEach, p.held(p.key("k"), "a"), []bool{true})
		var claims []backing.Claim
		var want []bool
		for _, odd := range oddShapes {
			claims, want = append(claims, p.held(odd+p.unique+odd, odd)...), append(want, true)
		}
		p.blaming(anyBytes).refreshesAll(anyBytes, claims, want)
	})

	run("refreshes nothing after the context has ended", func(p *probe) {
		k1, k2 := p.key("k1"), p.key("k2")
		claims := []backing.Claim{{Key: k1, Holder: "a", TTL: long}, {Key: k2, Holder: "a", TTL: long}}
		p.acquires(freeIsGiven, k1, "a", p.ttl)
		p.acquires(freeIsGiven, k2, "a", p.ttl)
		for i := range claims {
			p.failsWhenEnded("RefreshAll", func(ctx context.Context) error {
				answers := p.batcher.RefreshAll(ctx, claims)
				if len(answers) != len(claims) {
					p.breaks(refreshAllEach, "%d claims have %d answers", len(claims), len(answers))
				}
				return answers[i].Err
			})
		}
		p.runsOut(p.ttl)
		p.isFree(endedContext, k1)
		p.isFree(endedContext, k2)
	})
}

// refreshesBoth checks that the order of a claim that fails and one that succeeds makes no
// difference.
func (p *probe) refreshesBoth() {
	p.Helper()
	fails := func(name string) backing.Claim { return backing.Claim{Key: p.key(name), Holder: "a", TTL: long} }
	holds := p.held(p.key("held"), "a")[0]
	p.refreshesAll(refreshAllEach, []backing.Claim{holds, fails("free1")}, []bool{true, false})
	p.refreshesAll(refreshAllApart, []backing.Claim{fails("free2"), holds}, []bool{false, true})
}

func (p *probe) held(key, holder string) []backing.Claim {
	p.Helper()
	p.acquires(freeIsGiven, key, holder, long)
	return []backing.Claim{{Key: key, Holder: holder, TTL: long}}
}

// mixedClaims returns claims of which every third has its key. Another holder has the key
// of the next, and nobody that of the last. The first and the last claim do not have their
// keys, so that answers that are off by one show.
func (p *probe) mixedClaims(n int) (claims []backing.Claim, held []bool) {
	p.Helper()
	for i := range n {
		c := backing.Claim{Key: p.key(fmt.Sprint("k", i)), Holder: fmt.Sprint("h", i), TTL: long}
		switch i % 3 {
		case 1:
			p.acquires(freeIsGiven, c.Key, c.Holder, long)
		case 2:
			p.acquires(freeIsGiven, c.Key, "rival", long)
		}
		claims, held = append(claims, c), append(held, i%3 == 1)
	}
	return claims, held
}

func (p *probe) refreshAll(claims []backing.Claim) (answers []backing.Refreshed) {
	p.Helper()
	p.ask(func(ctx context.Context) error {
		answers = p.batcher.RefreshAll(ctx, claims)
		p.note("RefreshAll of %d claims, the first %v = %.200s", len(claims), claims[:min(3, len(claims))], fmt.Sprint(answers))
		for _, a := range answers {
			if a.Err != nil {
				return a.Err
			}
		}
		return nil
	})
	return answers
}

func (p *probe) refreshesAll(r rule, claims []backing.Claim, want []bool) {
	p.Helper()
	answers := p.refreshAll(claims)
	if len(answers) != len(want) {
		p.breaks(r, "%d claims have %d answers", len(claims), len(answers))
	}
	for i, held := range want {
		c := claims[i]
		if answers[i].Held != held {
			p.breaks(r, "the answer to claim %d of %d, by %s, is %t; want %t", i, len(claims), quote(c.Holder), answers[i].Held, held)
		}
	}
}
