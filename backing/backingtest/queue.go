package backingtest

import (
	"context"
	"time"

	"github.com/IBM/fp-go/v2/option"
)

func exerciseQueue(run runner) {
	run("gives a free key to the first who asks", func(p *probe) {
		k := p.key("k")
		before := p.acquires(freeIsGiven, k, "a", long)
		p.releases(releaseFrees, k, "a", true)
		g := p.enqueueGives(p.claimant(k, "b", p.ttl))
		p.isHigher(before, g)
		p.isHeldBy(enqueueTakes, k, "b")
		p.runsOut(p.ttl)
		p.isFree(enqueueTakes, k)
	})

	run("recognizes the holder", func(p *probe) {
		k := p.key("k")
		before := p.acquires(freeIsGiven, k, "a", p.ttl)
		if again := p.enqueueGives(p.claimant(k, "a", long)); again != before {
			p.breaks(enqueueTakes, "the token was %d and is %d now", before.Token, again.Token)
		}
		p.runsOut(p.ttl)
		p.isHeldBy(enqueueTakes, k, "a")
	})

	run("serves first come, first served", func(p *probe) { p.servesInTurn(p.key("k")) })

	run("keeps the place of one who asks again", func(p *probe) {
		p.servesInTurn(p.key("k1"))
		k := p.key("k2")
		b, c := p.claimant(k, "b", long), p.claimant(k, "c", long)
		g := p.acquires(freeIsGiven, k, "a", long)
		p.queues(b, c, b, c, b)
		p.releases(releaseFrees, k, "a", true)
		p.isGiven(enqueueWaits, b, g)
	})

	run("tells each once", func(p *probe) {
		k := p.key("k")
		b, c := p.claimant(k, "b", long), p.claimant(k, "c", long)
		g := p.acquires(freeIsGiven, k, "a", long)
		p.queues(b, b, c)
		p.releases(releaseFrees, k, "a", true)
		g = p.isGiven(releaseHands, b, g)
		p.releases(releaseFrees, k, "b", true)
		p.isGiven(releaseHands, c, g)
		time.Sleep(p.ttl / 10)
		for _, w := range []*claimant{b, c} {
			if n := w.times(); n > 1 {
				p.breaks(toldOnce, "%s was told %d times of one grant", quote(w.Holder), n)
			}
		}
	})

	run("keeps keys apart", func(p *probe) {
		k1, k2 := p.key("k1"), p.key("k2")
		b := p.claimant(k1, "b", long)
		g := p.acquires(freeIsGiven, k1, "a", long)
		p.acquires(freeIsGiven, k2, "a", long)
		p.queues(b)
		p.releases(releaseFrees, k2, "a", true)
		p.isFree(wholeStrings, k2)
		p.isHeldBy(wholeStrings, k1, "a")
		p.releases(releaseFrees, k1, "a", true)
		p.isGiven(releaseHands, b, g)
	})

	run("gives a free key to the first even if another asks", func(p *probe) {
		p.servesInTurn(p.key("control"))
		for _, asks := range []string{"b", "c", "d"} { // the first, the last, a new one
			k := p.key(asks)
			b, c := p.claimant(k, "b", long), p.claimant(k, "c", long)
			g := p.acquires(freeIsGiven, k, "a", long)
			p.queues(b, c)
			p.refreshes(refreshExtends, k, "a", p.ttl, true)
			p.runsOut(p.ttl)

			s := p.enqueue(map[string]*claimant{"b": b, "c": c, "d": p.claimant(k, "d", long)}[asks])
			p.isHeldBy(firstIsGiven, k, "b")
			given, ok := option.Unwrap(s.Grant)
			if ok != (asks == "b") {
				p.breaks(firstIsGiven, "Enqueue by %s answered: %s; the first is b", asks, standing(s))
			}
			if ok {
				p.isHigher(g, given)
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
			// The store may have seen for itself that the lease is over.
			p.isHeldBy(tryBarges, k, "b")
			return
		}
		p.isHeldBy(tryBarges, k, "d")
		p.releases(releaseFrees, k, "d", true)
		p.isGiven(releaseHands, b, g)
	})

	run("queues nobody whom it cannot tell", func(p *probe) {
		k := p.key("k")
		b := p.claimant(k, "b", long)
		p.acquires(freeIsGiven, k, "a", long)
		if s := p.enqueue(b); s.AskAgain > 0 || option.IsSome(s.Grant) {
			return
		}
		p.releases(releaseFrees, k, "a", true)
		p.isFree(notQueued, k)
		p.enqueueGives(b)
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

// servesInTurn is what a queue is for.
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

// handsTo lets a's release give the key to c.
func (p *probe) handsTo(c *claimant) *hearing {
	p.Helper()
	before := p.acquires(freeIsGiven, c.Key, "a", long)
	p.queues(c)
	p.releases(releaseFrees, c.Key, "a", true)
	p.isHeldBy(releaseHands, c.Key, c.Holder)
	g, h := p.isTold(c)
	p.isHigher(before, g)
	if h == nil {
		p.offersNot("what was told: it was lost")
	}
	return h
}
