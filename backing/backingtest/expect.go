package backingtest

import (
	"time"

	"github.com/effectlock/effectlock/backing"
)

// Each of these sends a request, and breaks r if the answer is not the expected one.

func (p *probe) acquires(r rule, key, holder string, ttl time.Duration) backing.Grant {
	p.Helper()
	return p.acquiresClaim(r, backing.Claim{Key: key, Holder: holder, TTL: ttl})
}

// acquiresClaim acquires a key that is free.
func (p *probe) acquiresClaim(r rule, c backing.Claim) backing.Grant {
	p.Helper()
	g, ok := p.tryClaim(c)
	if !ok {
		p.breaks(r, "TryAcquire by %s answered None, want a grant", quote(c.Holder))
	}
	if g.Resumed && p.faults == nil {
		p.breaks(resumedMeans, "TryAcquire by %s resumed a grant of a key that was free", quote(c.Holder))
	}
	return g
}

// mayRepeat reports whether the store may have been asked twice: because there are faults,
// or because a store that knows which answers have arrived found one late.
func (p *probe) mayRepeat() bool { return p.faults != nil || p.unanswered }

// resumes asks again for a key that is held; before is the last answer.
func (p *probe) resumes(key, holder string, ttl time.Duration, before backing.Grant) backing.Grant {
	p.Helper()
	return p.resumesClaim(sameHolder, backing.Claim{Key: key, Holder: holder, TTL: ttl}, before)
}

func (p *probe) resumesClaim(r rule, c backing.Claim, before backing.Grant) backing.Grant {
	p.Helper()
	g, ok := p.tryClaim(c)
	if !ok {
		p.breaks(r, "TryAcquire by %s, which has the key, answered None", quote(c.Holder))
	}
	if !g.Resumed && !p.mayRepeat() {
		p.breaks(r, "TryAcquire by %s, which has the key, answered a grant that is not resumed", quote(c.Holder))
	}
	p.isNotLower(before, g)
	return g
}

func (p *probe) isNotLower(before, again backing.Grant) {
	p.Helper()
	if again.Token < before.Token {
		p.breaks(tokenKeeps, "the token was %d and is %d now", before.Token, again.Token)
	}
}

func (p *probe) isRefused(r rule, key, holder string, ttl time.Duration) {
	p.Helper()
	p.isRefusedClaim(r, backing.Claim{Key: key, Holder: holder, TTL: ttl})
}

func (p *probe) isRefusedClaim(r rule, c backing.Claim) {
	p.Helper()
	if _, ok := p.tryClaim(c); ok {
		p.breaks(r, "TryAcquire by %s answered a grant, want None", quote(c.Holder))
	}
}

func (p *probe) refreshes(r rule, key, holder string, ttl time.Duration, want bool) {
	p.Helper()
	if got := p.refresh(key, holder, ttl); got != want {
		p.breaks(r, "Refresh by %s answered %t, want %t", quote(holder), got, want)
	}
}

func (p *probe) releases(r rule, key, holder string, want bool) {
	p.Helper()
	if got := p.release(key, holder); got != want {
		if first, _ := p.freed.Load([2]string{key, holder}); r == releaseTwice && time.Since(first.(time.Time)) >= backing.ReleaseMemory {
			return // so late that the store need not remember the release
		}
		p.breaks(r, "Release by %s answered %t, want %t", quote(holder), got, want)
	}
}

func (p *probe) isHeldBy(r rule, key, holder string) {
	p.Helper()
	got, some := p.consistent(key)
	if !some || got != holder {
		p.breaks(r, "the holder of the key is %s, want %s", maybe{quote(got), some}, quote(holder))
	}
}

func (p *probe) isFree(r rule, key string) {
	p.Helper()
	if got, some := p.consistent(key); some {
		p.breaks(r, "the holder of the key is %q, want it free", got)
	}
}

// consistent asks both questions about the holder of the key. If the answers contradict
// each other, that is the breach, whatever came before: a third holder finds out which of
// them is wrong. It must not be called when a lease could end between the two.
func (p *probe) consistent(key string) (holder string, some bool) {
	p.Helper()
	locked := p.locked(key)
	holder, some = p.holder(key)
	if locked != some {
		_, free := p.try(key, "somebody else", p.ttl)
		wrong := getHolder
		if locked == free {
			wrong = isLocked
		}
		p.breaks(wrong, "IsLocked answered %t, GetHolder %s; somebody else could acquire the key: %t",
			locked, maybe{quote(holder), some}, free)
	}
	return holder, some
}

// runsOut waits until a lease of ttl that was given before the call is over. Sleeping too
// long does no harm.
//
// A lease on a key of its own shows that leases do end, so that the case can blame its own
// rule for one that did not.
func (p *probe) runsOut(ttl time.Duration) {
	p.Helper()
	control := p.key("control" + time.Now().String())
	p.acquires(freeIsGiven, control, "control", ttl)
	time.Sleep(ttl + p.ttl/3)
	p.acquires(expiredIsFree, control, "rival", ttl)
}

// beforeExpiry lets "a" acquire a key for a short lease, and takes a step that must come
// before it ends, or breaks r. If the machine was too slow for that, nothing is known, and
// it starts again with a longer lease. It returns the key and the length of its first
// lease.
func (p *probe) beforeExpiry(r rule, step func(key string, first backing.Grant) bool) (string, time.Duration) {
	p.Helper()
	for ttl := p.ttl; ; ttl *= 2 {
		key := p.key("k" + ttl.String())
		start := time.Now()
		first := p.acquires(freeIsGiven, key, "a", ttl)
		if step(key, first) {
			return key, ttl
		}
		if took := time.Since(start); p.tooEarly(took, ttl) || ttl > 100*p.ttl {
			p.breaks(r, "the last answer is wrong for a lease of %v that began %v ago", ttl, took)
		}
	}
}

// tooEarly reports whether a lease of ttl, requested took ago, cannot be over yet. took
// must be measured after the answer. A tenth allows for clocks that run differently, and
// for stores that truncate to a tick.
func (p *probe) tooEarly(took, ttl time.Duration) bool { return took < ttl-ttl/10 }
