package backingtest

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/effectlock/effectlock/backing"
)

func exerciseConcurrency(run runner) {
	run("one of many acquirers wins", func(p *probe) {
		const rounds, acquirers = 50, 16
		k := p.key("k")
		for round := range rounds {
			var winner atomic.Pointer[string]
			p.together(acquirers, func(p *probe, i int) {
				me := fmt.Sprintf("%c%d", 'a'+i, round)
				if _, ok := p.try(k, me, long); !ok {
					return
				}
				if other := winner.Swap(&me); other != nil {
					p.breaks(eachAtomic, "%s was granted the key, and so was %s", *other, me)
				}
			})
			if winner.Load() == nil {
				r := freeIsGiven
				if round > 0 {
					r = releaseFrees
				}
				p.breaks(r, "%d holders asked for a free key at once, and none was granted it", acquirers)
			}
			p.isHeldBy(eachAtomic, k, *winner.Load())
			p.releases(releaseFrees, k, *winner.Load(), true)
		}
	})

	run("never two holders at once", func(p *probe) {
		const workers, turns = 8, 10
		k := p.key("k")
		var inside atomic.Int32
		var before atomic.Uint64
		p.together(workers, func(p *probe, i int) {
			for turn := range turns {
				me := fmt.Sprintf("%c%d", 'a'+i, turn)
				g := p.waits(k, me)
				if n := inside.Add(1); n != 1 {
					p.breaks(eachAtomic, "%d holders have the key", n)
				}
				p.isHeldBy(eachAtomic, k, me) // first: a holder that was ousted has a lower token, too
				p.isHigher(backing.Grant{Token: before.Swap(g.Token)}, g)
				p.refresh(k, me, long)
				p.isHeldBy(eachAtomic, k, me)
				inside.Add(-1)
				p.release(k, me)
			}
		})
		p.isFree(releaseFrees, k)
	})

	run("one holder that asks several times at once gets one grant", func(p *probe) {
		const rounds, callers = 20, 4
		k := p.key("k")
		g := p.acquires(freeIsGiven, k, "a", long)
		p.resumes(k, "a", long, g)
		for round := range rounds {
			k := p.key(fmt.Sprint(round))
			var first atomic.Int32
			p.together(callers, func(p *probe, _ int) {
				g, ok := p.try(k, "a", long)
				if !ok {
					p.breaks(sameHolder, "TryAcquire by a answered None, and nobody else asked")
				}
				if !g.Resumed {
					first.Add(1)
				}
			})
			if n := first.Load(); n < 1 || n > 1 && !p.mayRepeat() {
				p.breaks(eachAtomic, "%d of %d calls by one holder were the first", n, callers)
			}
		}
	})

	run("a refresh beside a release does not create the key again", func(p *probe) {
		const rounds = 50
		p.lives(p.key("k"), "a")
		for round := range rounds {
			k := p.key(fmt.Sprint(round))
			p.acquires(freeIsGiven, k, "a", long)
			p.together(4, func(p *probe, i int) {
				if i == 0 {
					p.releases(releaseFrees, k, "a", true)
				} else {
					p.refresh(k, "a", long)
				}
			})
			p.isFree(refreshElse, k)
		}
	})

	run("several releases of one grant at once all answer true and leave the next holder alone", func(p *probe) {
		const rounds = 20
		p.lives(p.key("k"), "a")
		for round := range rounds {
			k := p.key(fmt.Sprint(round))
			p.acquires(freeIsGiven, k, "a", long)
			p.together(4, func(p *probe, i int) {
				if i > 0 {
					p.releases(releaseTwice, k, "a", true)
					return
				}
				p.waits(k, "b")
			})
			p.isHeldBy(releaseInBetween, k, "b")
		}
	})
}

// waits retries until it has the key, or until another probe of the team has failed.
func (p *probe) waits(key, holder string) backing.Grant {
	p.Helper()
	const tries = 10_000 // at least ten seconds, longer than the others need
	for range tries {
		if p.going.Err() != nil {
			runtime.Goexit()
		}
		if g, ok := p.try(key, holder, long); ok {
			return g
		}
		time.Sleep(max(time.Millisecond, p.ttl/300))
	}
	p.breaks(releaseFrees, "the others have released the key, but in %d tries it was never free", tries)
	panic("unreachable")
}
