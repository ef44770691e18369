package backingtest

import (
	"context"
	"slices"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
)

// Cases in which the store applies an operation, and the answer is lost.
func exerciseLost(run runner) {
	run("TryAcquire asked again finds its own grant", func(p *probe) {
		k := p.key("k")
		denied := p.loses("TryAcquire", func(ctx context.Context) (bool, error) {
			o, err := p.store.TryAcquire(ctx, backing.Claim{Key: k, Holder: "a", TTL: long})
			return option.IsSome(o), err
		})
		p.keeps(k, "a", p.resumes(k, "a", long, backing.Grant{}))
		p.isRefused(freeIsGiven, k, "b", long)
		p.answers(denied, "TryAcquire")
		p.releases(releaseFrees, k, "a", true)
		p.isFree(releaseFrees, k)
	})

	run("Refresh asked again succeeds", func(p *probe) {
		k := p.key("k")
		g := p.acquires(freeIsGiven, k, "a", long)
		denied := p.loses("Refresh", func(ctx context.Context) (bool, error) {
			return p.store.Refresh(ctx, backing.Claim{Key: k, Holder: "a", TTL: long})
		})
		p.refreshes(refreshExtends, k, "a", long, true)
		p.keeps(k, "a", g)
		p.answers(denied, "Refresh")
	})

	run("Release asked again has released", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", long)
		denied := p.loses("Release", func(ctx context.Context) (bool, error) { return p.store.Release(ctx, k, "a") })
		p.releases(releaseTwice, k, "a", true)
		p.acquires(releaseFrees, k, "b", long)
		p.releases(releaseTwice, k, "a", true)
		p.isHeldBy(releaseInBetween, k, "b")
		p.answers(denied, "Release")
	})

	run.offering("backing.Batcher", hasBatcher)("RefreshAll asked again succeeds", func(p *probe) {
		claims, want := p.mixedClaims(10)
		denied := p.loses("RefreshAll", func(ctx context.Context) (bool, error) {
			held := make([]bool, len(claims))
			for i, a := range p.batcher.RefreshAll(ctx, claims) {
				if a.Err != nil {
					return false, a.Err
				}
				held[i] = a.Held
			}
			return slices.Equal(held, want), nil
		})
		p.refreshesAll(refreshAllEach, claims, want)
		p.answers(denied, "RefreshAll")
	})

	run.offering("backing.Passer", hasPasser)("Pass asked again answers as the first time", func(p *probe) {
		k := p.key("k")
		before := p.acquires(freeIsGiven, k, "a", long)
		b := p.claimant(k, "b", long)
		denied := p.loses("Pass", func(ctx context.Context) (bool, error) {
			from := backing.Claim{Key: k, Holder: "a", TTL: long}
			o, err := p.passer.Pass(ctx, from, b.waiter(), false)
			_, ok := o.(backing.Granted)
			return ok, err
		})
		o := p.pass("a", b, false)
		g, ok := o.(backing.Granted)
		if !ok {
			p.breaks(passAgain, "Pass answered %v, and the key is next's", outcome{o})
		}
		p.isHigher(before, g.Grant)
		p.keeps(k, "b", g.Grant)
		p.answers(denied, "Pass")
		p.refreshes(refreshElse, k, "a", long, false)
	})

	run.offering("backing.Releaser", hasReleaser)("ReleaseClaim asked again has released", func(p *probe) {
		c := backing.Claim{Key: p.key("k"), Holder: "a", TTL: long}
		p.acquiresClaim(freeIsGiven, c)
		denied := p.loses("ReleaseClaim", func(ctx context.Context) (bool, error) {
			found, err := p.releaser.ReleaseClaim(ctx, c)
			return found != backing.NotHeld, err
		})
		p.reports(freedBefore, c, backing.FreedEarlier)
		p.answers(denied, "ReleaseClaim")
	})

	exerciseLostPlaces(run.offering("backing.Queue", hasQueue))
}

func exerciseLostPlaces(run runner) {
	run("Enqueue asked again finds its own grant", func(p *probe) {
		k := p.key("k")
		b := p.claimant(k, "b", long)
		p.losesEnqueue(b)
		p.keeps(k, "b", p.enqueueGives(b))
	})

	run("Enqueue asked again keeps its place", func(p *probe) {
		k := p.key("k")
		b, c, d := p.claimant(k, "b", long), p.claimant(k, "c", long), p.claimant(k, "d", long)
		g := p.acquires(freeIsGiven, k, "a", long)
		p.queues(b)
		p.losesEnqueue(c)
		p.queues(d, c)
		p.releases(releaseFrees, k, "a", true)
		g = p.isGiven(releaseHands, b, g)
		p.releases(releaseFrees, k, "b", true)
		g = p.isGiven(enqueueWaits, c, g)
		p.releases(releaseFrees, k, "c", true)
		p.isGiven(enqueueWaits, d, g)
	})

	run("Enqueue asked again, after the key was given to its claimant, finds the grant", func(p *probe) {
		k := p.key("k")
		b, c := p.claimant(k, "b", long), p.claimant(k, "c", long)
		g := p.acquires(freeIsGiven, k, "a", long)
		p.queues(b)
		p.losesEnqueue(c)
		p.releases(releaseFrees, k, "a", true)
		p.releases(releaseFrees, k, "b", true)
		p.isHigher(g, p.findsOut(c))
	})
}

// loses takes a step whose answer is lost, and reports whether the answer was no: the
// backing may have repeated the step by itself, but then the answer must be yes.
func (p *probe) loses(name string, step func(context.Context) (bool, error)) (denied bool) {
	p.Helper()
	p.faults.LoseReply()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ok, err := step(ctx)
	p.note("%s, its answer lost = %t, %v", name, ok, err)
	if backing.IsNotSent(err) {
		p.breaks(notSent, "%s, which the store has applied and whose answer was lost, marked its error %v", name, err)
	}
	return err == nil && !ok
}

// losesEnqueue is loses for a claimant that may be either queued or granted the key.
func (p *probe) losesEnqueue(c *claimant) {
	p.Helper()
	p.loses("Enqueue by "+c.Holder, func(ctx context.Context) (bool, error) {
		_, err := p.queue.Enqueue(ctx, c.waiter())
		return true, err
	})
}

// answers checks that nobody was denied. It is called after the store was asked again,
// which shows whether that answer was the store's or its client's.
func (p *probe) answers(denied bool, name string) {
	p.Helper()
	if denied {
		p.breaks(noAnswer, "%s, whose answer was lost, denied what the store had done", name)
	}
}

// keeps checks that holder has the key under g, and is told so when it asks again.
func (p *probe) keeps(key, holder string, g backing.Grant) {
	p.Helper()
	p.isHeldBy(sameHolder, key, holder)
	p.resumes(key, holder, long, g)
}
