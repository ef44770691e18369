package backingtest

import (
	"context"

	"github.com/effectlock/effectlock/backing"
)

func exerciseReleaser(run runner) {
	run("reports that the key was freed now, and then that it was freed earlier", func(p *probe) {
		c := backing.Claim{Key: p.key("k"), Holder: "a", TTL: long}
		p.acquiresClaim(freeIsGiven, c)
		p.reports(releaseReports, c, backing.FreedNow)
		p.isFree(releaseFrees, c.Key)
		for range 2 {
			p.reports(freedBefore, c, backing.FreedEarlier)
			p.releases(releaseTwice, c.Key, c.Holder, true)
			p.isFree(releaseTwice, c.Key)
		}
	})

	run("reports that the key was freed in the holder's name", func(p *probe) {
		for _, attempt := range []string{"", "1"} {
			c := backing.Claim{Key: p.key("k" + attempt), Holder: "a", TTL: long, Attempt: attempt}
			p.acquiresClaim(freeIsGiven, c)
			p.releases(releaseFrees, c.Key, c.Holder, true)
			p.isFree(releaseFrees, c.Key)
			p.reports(freedBefore, c, backing.FreedEarlier)
		}
	})

	run("reports that the claimant did not have the key", func(p *probe) {
		never := backing.Claim{Key: p.key("never"), Holder: "a", TTL: long}
		expired := backing.Claim{Key: p.key("expired"), Holder: "a", TTL: p.ttl}
		another := backing.Claim{Key: p.key("another"), Holder: "a", TTL: long}
		p.acquiresClaim(freeIsGiven, expired)
		p.runsOut(p.ttl)
		p.acquires(freeIsGiven, another.Key, "b", long)
		for range 2 { // the second is no different: the first freed nothing
			p.reports(foundNothing, never, backing.NotHeld)
			p.reports(foundNothing, expired, backing.NotHeld)
			p.reports(foundNothing, another, backing.NotHeld)
		}
		p.releases(releaseReports, never.Key, never.Holder, false)
		p.isHeldBy(releaseReports, another.Key, "b")
	})

	run("frees what the holder has under another attempt", func(p *probe) {
		c := backing.Claim{Key: p.key("k"), Holder: "a", TTL: long, Attempt: "1"}
		p.acquiresClaim(freeIsGiven, c)
		c.Attempt = "2"
		p.reports(sameButAttempt, c, backing.FreedNow)
		p.isFree(sameButAttempt, c.Key)
	})

	run("a second time leaves a later acquisition alone", func(p *probe) {
		first := backing.Claim{Key: p.key("k"), Holder: "a", TTL: long, Attempt: "1"}
		second := backing.Claim{Key: p.key("k"), Holder: "a", TTL: p.ttl, Attempt: "2"}
		before := p.acquiresClaim(freeIsGiven, first)
		p.reports(releaseReports, first, backing.FreedNow)
		p.isHigher(before, p.acquiresClaim(releaseFrees, backing.Claim{Key: second.Key, Holder: "a", TTL: long, Attempt: "2"}))
		p.reports(releaseApart, first, backing.FreedEarlier)
		p.isHeldBy(releaseApart, second.Key, "a")
		if !p.refreshClaim(second) {
			p.breaks(releaseApart, "Refresh by the later acquisition answered false")
		}
		p.runsOut(p.ttl)
		p.reports(foundNothing, second, backing.NotHeld)
	})

	run.offering("backing.Passer", hasPasser)("reports that Pass has released the key", func(p *probe) {
		k := p.key("k")
		before := p.acquires(freeIsGiven, k, "a", long)
		p.passes(p.claimant(k, "b", long), before)
		p.reports(passReleases, backing.Claim{Key: k, Holder: "a"}, backing.FreedEarlier)
		p.isHeldBy(releaseInBetween, k, "b")
	})

	run.offering("backing.Queue", hasQueue)("gives the key to the first in the queue, and removes a claimant that leaves", func(p *probe) {
		p.servesInTurn(p.key("control1"))
		p.leavesToAnother(p.key("control2"), "b", "c")
		k := p.key("k")
		b, c := p.claimant(k, "b", long), p.claimant(k, "c", long)
		g := p.acquires(freeIsGiven, k, "a", long)
		p.queues(b, c)
		p.reports(releaseReports, b.Claim, backing.NotHeld)
		p.reports(releaseReports, backing.Claim{Key: k, Holder: "a"}, backing.FreedNow)
		p.isGiven(releaseReports, c, g)
	})

	run("frees nothing after the context has ended", func(p *probe) {
		c := backing.Claim{Key: p.key("k"), Holder: "a", TTL: long}
		p.acquiresClaim(freeIsGiven, c)
		p.failsWhenEnded("ReleaseClaim", func(ctx context.Context) error {
			_, err := p.releaser.ReleaseClaim(ctx, c)
			return err
		})
		p.isHeldBy(endedContext, c.Key, "a")
	})
}

func (p *probe) reports(r rule, c backing.Claim, want backing.Released) {
	p.Helper()
	if got := p.releaseClaim(c); got != want {
		p.breaks(r, "ReleaseClaim by %s answered %q, want %q", quote(c.Holder), got, want)
	}
}

func (p *probe) releaseClaim(c backing.Claim) (found backing.Released) {
	p.Helper()
	p.ask(func(ctx context.Context) (err error) {
		found, err = p.releaser.ReleaseClaim(ctx, c)
		p.note("ReleaseClaim(%s) = %v, %v", claim(c), found, err)
		return err
	})
	return found
}
