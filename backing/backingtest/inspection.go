package backingtest

func exerciseInspection(run runner) {
	run("follow the key from free to free", func(p *probe) {
		k := p.key("k")
		p.tellsOf(k, "", false)
		p.acquires(freeIsGiven, k, "a", long)
		p.tellsOf(k, "a", true)
		p.releases(releaseFrees, k, "a", true)
		p.isFree(releaseFrees, k)
		p.acquires(releaseFrees, k, "b", long)
		p.tellsOf(k, "b", true)
	})

	run("do not change who has the key, nor how long", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", p.ttl)
		p.locked(k)
		p.holder(k)
		p.runsOut(p.ttl)
		p.isFree(expiredIsFree, k)
	})
}

// tellsOf checks the two questions themselves, which the other cases trust.
func (p *probe) tellsOf(key, holder string, held bool) {
	p.Helper()
	if got := p.locked(key); got != held {
		p.breaks(isLocked, "IsLocked answered %t, want %t", got, held)
	}
	if got, some := p.holder(key); some != held || got != holder {
		p.breaks(getHolder, "GetHolder answered %s, want %s", maybe{quote(got), some}, maybe{quote(holder), held})
	}
}
