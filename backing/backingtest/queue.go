package backingtest

import (
	"context"

	"github.com/effectlock/effectlock/backing"
)

func exerciseQueue(run runner) {
	run("gives a free key to the first claimant that asks", func(p *probe) {
		k := p.key("k")
		before := p.acquires(freeIsGiven, k, "a", long)
		p.releases(releaseFrees, k, "a", true)
		g := p.enqueueGives(p.claimant(k, "b", p.ttl))
		p.isHigher(before, g)
		p.runsOut(p.ttl)
		p.isFree(enqueueTakes, k)
	})

	run("recognizes the holder and makes the lease longer", func(p *probe) {
		k, short := p.beforeExpiry(enqueueTakes, func(k string, first backing.Grant) bool {
			again, ok := p.enqueue(p.claimant(k, "a", long)).(backing.Granted)
			if !ok || !again.Resumed && !p.mayRepeat() {
				return false
			}
			p.isNotLower(first, again.Grant)
			return true
		})
		p.runsOut(short)
		p.isHeldBy(enqueueTakes, k, "a")
	})

	run("recognizes the holder and makes the lease shorter", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", long)
		p.enqueueGives(p.claimant(k, "a", p.ttl))
		p.runsOut(p.ttl)
		p.isFree(enqueueTakes, k)
	})

	run("serves first come, first served", func(p *probe) { p.servesInTurn(p.key("k")) })

	run("gives a free key to the first even if another asks", func(p *probe) {
		p.servesInTurn(p.key("control"))
		for _, asks := range []string{"b", "c", "d"} { // the first, the last, a new one
			k := p.key(asks)
			b, c := p.claimant(k, "b", long), p.claimant(k, "c", long)
			g := p.acquires(freeIsGiven, k, "a", long)
			p.queues(b, c)
			p.refreshes(refreshExtends, k, "a", p.ttl, true)
			p.runsOut(p.ttl)

			o := p.enqueue(map[string]*claimant{"b": b, "c": c, "d": p.claimant(k, "d", long)}[asks])
			p.isHeldBy(firstIsGiven, k, "b")
			given, ok := o.(backing.Granted)
			if ok != (asks == "b") {
				p.breaks(firstIsGiven, "Enqueue by %s answered %v; the first is b", asks, outcome{o})
			}
			if ok {
				p.isHigher(g, given.Grant)
				continue
			}
			p.isGiven(firstIsGiven, b, g)
		}
	})

	run("does not keep a free key from TryAcquire", func(p *probe) {
		k := p.key("k")
		b := p.claimant(k, "b", long)
		p.acquires(freeIsGiven, k, "a", long)
		p.queues(b)
		p.refreshes(refreshExtends, k, "a", p.ttl, true)
		p.runsOut(p.ttl)
		g, ok := p.try(k, "d", long)
		if !ok {
			// The store may have noticed by itself that the lease is over.
			p.isHeldBy(tryBarges, k, "b")
			return
		}
		p.isHeldBy(tryBarges, k, "d")
		p.releases(releaseFrees, k, "d", true)
		p.isGiven(releaseHands, b, g)
	})

	run("grants the key to one that was woken, and the lease runs from then", func(p *probe) {
		p.servesInTurn(p.key("control"))
		k := p.key("k")
		b := p.claimant(k, "b", p.ttl)
		p.acquires(freeIsGiven, k, "a", long)
		p.queues(b)
		p.releases(releaseFrees, k, "a", true)
		b.TTL = long
		p.isServed(b)
		p.runsOut(p.ttl)
		p.isHeldBy(enqueueTakes, k, "b")
	})

	run("grants the key to one that was woken by TryAcquire as well", func(p *probe) {
		k := p.key("k")
		b := p.claimant(k, "b", long)
		before := p.acquires(freeIsGiven, k, "a", long)
		p.queues(b)
		p.releases(releaseFrees, k, "a", true)
		p.isHeldBy(releaseHands, k, "b")
		g := p.resumes(k, "b", long, backing.Grant{})
		p.isHigher(before, g)
		p.isNotLower(g, p.enqueueGives(b))
	})

	run("does not keep the key for one that has died", func(p *probe) {
		p.servesInTurn(p.key("control"))
		k := p.key("k")
		b, c := p.claimant(k, "b", p.ttl), p.claimant(k, "c", p.ttl)
		p.acquires(freeIsGiven, k, "a", long)
		p.queues(b, c)
		p.releases(releaseFrees, k, "a", true)
		p.runsOut(p.ttl)
		if holder, some := p.holder(k); some && holder == "b" {
			p.breaks(leaseIsBounded, "the key is kept for b, which has not asked for it in its TTL of %v", p.ttl)
		}
		o := p.enqueue(c)
		if _, ok := o.(backing.Granted); !ok {
			p.breaks(firstIsGiven, "Enqueue by the first in line answered %v", outcome{o})
		}
	})

	run("takes nothing and queues nobody after the context has ended", func(p *probe) {
		k := p.key("k")
		enqueue := func(holder string) func(context.Context) error {
			return func(ctx context.Context) error {
				_, err := p.queue.Enqueue(ctx, p.claimant(k, holder, long).waiter())
				return err
			}
		}
		p.failsWhenEnded("Enqueue", enqueue("b"))
		p.isFree(endedContext, k)
		p.acquires(freeIsGiven, k, "a", long)
		p.failsWhenEnded("Enqueue", enqueue("b"))
		p.releases(releaseFrees, k, "a", true)
		p.isFree(endedContext, k)
	})
}

// servesInTurn checks that waiters are served in the order in which they came.
func (p *probe) servesInTurn(k string) {
	p.Helper()
	g := p.acquires(freeIsGiven, k, "a", long)
	line := []*claimant{p.claimant(k, "b", long), p.claimant(k, "d", long), p.claimant(k, "c", long)}
	p.queues(line...)
	p.isHeldBy(enqueueWaits, k, "a")
	has := "a"
	for _, c := range line {
		p.releases(releaseFrees, k, has, true)
		g, has = p.isGiven(releaseHands, c, g), c.Holder
	}
	p.isRefused(freeIsGiven, k, "rival", long)
	p.releases(releaseFrees, k, has, true)
	p.isFree(releaseFrees, k)
}
