package backingtest

import (
	"context"
	"errors"
	"time"

	"github.com/effectlock/effectlock/backing"
)

// soon is the contract's "soon", on a machine that has other things to do. It is less than
// the time after which clients give up a connection by themselves.
const soon = 2 * time.Second

// An inquiry is an operation on a key that "a" has.
type inquiry struct {
	name string
	ask  func(p *probe, ctx context.Context, key string) error
}

var (
	inquiries = []inquiry{
		{"TryAcquire", func(p *probe, ctx context.Context, key string) error { return p.tries(ctx, key, "b") }},
		{"Refresh", func(p *probe, ctx context.Context, key string) error {
			_, err := p.store.Refresh(ctx, backing.Claim{Key: key, Holder: "a", TTL: long})
			return err
		}},
		{"Release", func(p *probe, ctx context.Context, key string) error {
			_, err := p.store.Release(ctx, key, "a")
			return err
		}},
		{"IsLocked", func(p *probe, ctx context.Context, key string) error {
			_, err := p.store.IsLocked(ctx, key)
			return err
		}},
		{"GetHolder", func(p *probe, ctx context.Context, key string) error {
			_, err := p.store.GetHolder(ctx, key)
			return err
		}},
	}
	enqueuing = inquiry{"Enqueue", func(p *probe, ctx context.Context, key string) error {
		_, err := p.queue.Enqueue(ctx, p.claimant(key, "b", long).waiter())
		return err
	}}
	passingOn = inquiry{"Pass", func(p *probe, ctx context.Context, key string) error {
		from := backing.Claim{Key: key, Holder: "a", TTL: long}
		_, err := p.passer.Pass(ctx, from, p.claimant(key, "b", long).waiter(), false)
		return err
	}}
	releasing = inquiry{"ReleaseClaim", func(p *probe, ctx context.Context, key string) error {
		_, err := p.releaser.ReleaseClaim(ctx, backing.Claim{Key: key, Holder: "a", TTL: long})
		return err
	}}
	refreshingAll = inquiry{"RefreshAll", func(p *probe, ctx context.Context, key string) error {
		claims := []backing.Claim{{Key: key, Holder: "a", TTL: long}, {Key: p.key("free"), Holder: "a", TTL: long}}
		var failed error
		for _, a := range p.batcher.RefreshAll(ctx, claims) {
			if a.Err == nil {
				return nil
			}
			failed = a.Err
		}
		return failed
	}}
)

// Cases in which the connection to the store is cut.
func exerciseCut(run runner) {
	queue, passer := run.offering("backing.Queue", hasQueue), run.offering("backing.Passer", hasPasser)
	failsSoon := func(run runner, i inquiry) {
		run(i.name+" fails soon after its context ends", func(p *probe) {
			k := p.key("k")
			p.acquires(freeIsGiven, k, "a", long)
			p.whileCut(func() { p.givesUp(i, k) })
			time.Sleep(p.ttl) // until what is under way has arrived, which a bubble must outlast
		})
	}
	for _, i := range inquiries {
		failsSoon(run, i)
	}
	failsSoon(queue, enqueuing)
	failsSoon(passer, passingOn)
	failsSoon(run.offering("backing.Releaser", hasReleaser), releasing)
	failsSoon(run.offering("backing.Batcher", hasBatcher), refreshingAll)

	run("TryAcquire that is given up takes nothing once it is released", func(p *probe) {
		k := p.key("k")
		p.whileCut(func() { p.givesUp(inquiries[0], k) })
		p.release(k, "b")
		p.comesToNothing(k)
	})

	// As when a caller shuts down: its clean-up fails as well.
	run("TryAcquire that is given up, and its Release too, takes nothing once it is released", func(p *probe) {
		k := p.key("k")
		p.whileCut(func() {
			p.givesUp(inquiries[0], k)
			p.givesUp(inquiry{"Release", func(p *probe, ctx context.Context, key string) error {
				_, err := p.store.Release(ctx, key, "b")
				return err
			}}, k)
		})
		p.release(k, "b")
		p.comesToNothing(k)
	})

	queue("Enqueue for a free key that is given up takes nothing once it is released", func(p *probe) {
		k := p.key("k")
		p.whileCut(func() { p.givesUp(enqueuing, k) })
		p.release(k, "b")
		p.comesToNothing(k)
	})

	queue("Enqueue that is given up has no place once it is released", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", long)
		p.queues(p.claimant(k, "z", long)) // so that the store is ready to wake claimants
		p.release(k, "z")
		p.whileCut(func() { p.givesUp(enqueuing, k) })
		p.release(k, "b")
		time.Sleep(soon) // time to give up a place that was taken late
		p.releases(releaseFrees, k, "a", true)
		p.isFree(settles, k)
	})

	passer("Pass that is given up gives nothing once both have released", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", long)
		p.whileCut(func() { p.givesUp(passingOn, k) })
		p.release(k, "b")
		p.release(k, "a")
		p.comesToNothing(k)
	})

	run("a context that has ended already sends nothing", func(p *probe) {
		k := p.key("k")
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		p.whileCut(func() {
			p.failsSoon(ctx, endedContext, "TryAcquire", func(ctx context.Context) error { return p.tries(ctx, k, "a") })
		})
		time.Sleep(p.ttl)
		p.isFree(endedContext, k)
	})
}

func (p *probe) tries(ctx context.Context, key, holder string) error {
	_, err := p.store.TryAcquire(ctx, backing.Claim{Key: key, Holder: holder, TTL: long})
	return err
}

func (p *probe) whileCut(steps func()) {
	p.Helper()
	p.faults.Cut()
	defer p.faults.Heal()
	p.note("Faults.Cut()")
	steps()
	p.note("Faults.Heal()")
}

// givesUp asks twice, for a moment each: one context is cancelled after it, the other has a
// deadline.
func (p *probe) givesUp(i inquiry, key string) {
	p.Helper()
	moment := p.ttl / 10
	ask := func(ctx context.Context) error { return i.ask(p, ctx, key) }

	cancelled, cancel := context.WithCancel(context.Background())
	timer := time.AfterFunc(moment, cancel)
	p.failsSoon(cancelled, endsSoon, i.name, ask)
	timer.Stop()
	cancel()

	expires, cancel := context.WithTimeout(context.Background(), moment)
	defer cancel()
	p.failsSoon(expires, endsSoon, i.name, ask)
}

// failsSoon checks that an operation which cannot reach the store fails soon after its
// context ends, with the context's error. Before that it may fail with another.
func (p *probe) failsSoon(ctx context.Context, r rule, name string, operation func(context.Context) error) {
	p.Helper()
	type result struct{ err, ended error } // ended is the context's error when the operation returned
	results := make(chan result, 1)
	go func() { results <- result{operation(ctx), ctx.Err()} }()
	<-ctx.Done()
	overdue := time.NewTimer(soon)
	defer overdue.Stop()
	select {
	case o := <-results:
		p.note("%s during the cut = %v", name, o.err)
		if o.err == nil {
			p.breaks(noAnswer, "%s returned no error during Faults.Cut; does Cut stop requests and answers?", name)
		}
		if !errors.Is(o.err, o.ended) && o.ended != nil {
			p.breaks(r, "%s returned the error %v, want one that is %v", name, o.err, o.ended)
		}
	case <-overdue.C:
		p.faults.Heal()
		select { // healing ends the operation, if anything does
		case <-results:
		case <-time.After(patience):
		}
		p.breaks(r, "%s had not returned %v after its context ended", name, soon)
	}
}

// comesToNothing checks that a key to which nobody has a right is free, even when
// everything that was under way has arrived.
func (p *probe) comesToNothing(key string) {
	p.Helper()
	time.Sleep(p.ttl)
	for start := time.Now(); ; time.Sleep(p.ttl / 30) {
		if _, free := p.try(key, "rival", long); free {
			return
		}
		if took := time.Since(start); took > soon {
			holder, some := p.holder(key)
			p.breaks(settles, "%v after the Release, the holder of the key is %s", took+p.ttl, maybe{quote(holder), some})
		}
	}
}
