package stress_test

import (
	"context"
	"errors"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
)

// process is what one process sees of a store that several share: requests are
// slow, fail before or after they are applied, or land after their sender has
// left; wake-ups come late, twice, never, or for no reason.
type process struct {
	*store
	w *world
	// what its store can do besides; without a queue the process polls
	queues, passes, batches, reports bool
}

var _ interface {
	backing.Able
	backing.Queue
	backing.Passer
	backing.Batcher
	backing.Releaser
} = (*process)(nil)

// newProcess is a process whose store can do some of what there is, and mostly all.
func newProcess(s *store, w *world) *process {
	p := &process{store: s, w: w, reports: w.n(4) > 0}
	switch w.n(6) {
	case 0:
		p.batches = true
	case 1:
		p.batches, p.queues = true, true
	case 2:
		p.passes = true
	default:
		p.batches, p.queues, p.passes = true, true, true
	}
	return p
}

func (p *process) Abilities() backing.Abilities {
	a := backing.Abilities{Of: p}
	if p.queues {
		a.Queue = p
	}
	if p.passes {
		a.Passer = p
	}
	if p.batches {
		a.Batcher = p
	}
	if p.reports {
		a.Releaser = p
	}
	return a
}

var errFault = errors.New("injected")

// via carries a request to the store.
func via[A any](ctx context.Context, p *process, what string, do func(context.Context) (A, error)) (a A, err error) {
	if err := ctx.Err(); err != nil {
		return a, err
	}
	if !p.w.faulty() {
		return do(ctx)
	}
	pause := func(d time.Duration) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	none := a
	kind := p.w.n(20)
	if d := p.w.dur(20 * time.Millisecond); kind < 12 && pause(d) != nil {
		return none, ctx.Err()
	}
	switch {
	case kind < 10:
		a, err = do(context.WithoutCancel(ctx))
		p.w.note("%s -> %v %v", what, a, err)
		if pause(p.w.dur(20*time.Millisecond)) != nil {
			return none, ctx.Err() // applied, and not answered
		}
		return a, err
	case kind < 12:
		return do(ctx)
	case kind < 14:
		p.w.note("%s fails before", what)
		return none, errFault
	case kind < 16:
		a, err = do(ctx)
		p.w.note("%s fails after %v %v", what, a, err)
		return none, errFault
	case kind < 18: // slow both ways
		most := 3 * time.Second
		if !p.w.lateness {
			most = 400 * time.Millisecond // a release should succeed in the end
		}
		if err := pause(p.w.dur(most)); err != nil {
			return none, err
		}
		a, err = do(context.WithoutCancel(ctx))
		p.w.note("%s slowly -> %v %v", what, a, err)
		if err := pause(p.w.dur(most)); err != nil {
			return none, err
		}
		return a, err
	case kind < 19 && p.w.lateness:
		d := p.w.dur(p.w.latest())
		go func() {
			time.Sleep(d)
			a, err := do(context.WithoutCancel(ctx))
			p.w.note("%s lands late -> %v %v", what, a, err)
		}()
		if err := pause(d + p.w.dur(time.Second)); err != nil {
			return none, err
		}
		return none, errFault
	default:
		a, err = do(ctx)
		p.w.note("%s -> %v %v", what, a, err)
		return a, err
	}
}

func short(s string) string { return s[:min(5, len(s))] }

func (p *process) TryAcquire(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
	return via(ctx, p, "try "+short(c.Holder), func(ctx context.Context) (option.Option[backing.Grant], error) { return p.store.TryAcquire(ctx, c) })
}

func (p *process) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	return via(ctx, p, "refresh "+short(c.Holder), func(ctx context.Context) (bool, error) { return p.store.Refresh(ctx, c) })
}

func (p *process) RefreshAll(ctx context.Context, cs []backing.Claim) []backing.Refreshed {
	all, err := via(ctx, p, "refresh all", func(ctx context.Context) ([]backing.Refreshed, error) { return p.store.RefreshAll(ctx, cs), nil })
	if err != nil {
		all = make([]backing.Refreshed, len(cs))
		for i := range all {
			all[i].Err = err
		}
	}
	return all
}

func (p *process) Release(ctx context.Context, key, holder string) (bool, error) {
	return via(ctx, p, "release "+short(holder), func(ctx context.Context) (bool, error) { return p.store.Release(ctx, key, holder) })
}

func (p *process) ReleaseClaim(ctx context.Context, c backing.Claim) (backing.Released, error) {
	return via(ctx, p, "release "+short(c.Holder), func(ctx context.Context) (backing.Released, error) { return p.store.ReleaseClaim(ctx, c) })
}

func (p *process) GetHolder(ctx context.Context, key string) (option.Option[string], error) {
	return via(ctx, p, "holder", func(ctx context.Context) (option.Option[string], error) { return p.store.GetHolder(ctx, key) })
}

func (p *process) Enqueue(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
	if p.w.faulty() && p.w.n(10) == 0 {
		g, err := p.TryAcquire(ctx, w.Claim)
		if grant, granted := option.Unwrap(g); granted {
			return backing.Granted{Grant: grant}, err
		}
		return backing.MustPoll{Why: errFault}, err
	}
	return via(ctx, p, "enqueue "+short(w.Holder), func(ctx context.Context) (backing.Outcome, error) { return p.store.Enqueue(ctx, p.through(w)) })
}

func (p *process) Pass(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
	what := "pass " + short(from.Holder) + " to " + short(next.Holder)
	if p.w.faulty() && p.w.n(3) == 0 {
		yield = true // more often than usual
	}
	if yield {
		what += ", yielding"
	}
	return via(ctx, p, what, func(ctx context.Context) (backing.Outcome, error) {
		return p.store.Pass(ctx, from, p.through(next), yield)
	})
}

// through makes the wake-ups of a waiter late, doubles them, or loses them. Some wake
// another waiter as well, to which the store gave nothing, or which has left.
func (p *process) through(waiter backing.Waiter) backing.Waiter {
	wake, name := waiter.Wake, short(waiter.Holder)
	forged := p.w.isWaiting(wake)
	later := func(what string, most time.Duration, wake func()) {
		d := p.w.dur(most)
		go func() {
			time.Sleep(d)
			p.w.note("%s %s", what, name)
			wake()
		}()
	}
	waiter.Wake = func() {
		if !p.w.faulty() {
			wake()
			return
		}
		switch kind := p.w.n(10); {
		case kind < 4:
			p.w.note("woken %s", name)
			wake()
		case kind < 6:
			p.w.note("woken %s, and again later", name)
			wake()
			later("woken again", 10*time.Second, wake)
		case kind < 9:
			later("woken late", 2500*time.Millisecond, wake)
		default:
			p.w.note("not woken %s", name)
		}
		if p.w.n(3) == 0 {
			later("woken instead of", time.Second, forged)
		}
	}
	return waiter
}
