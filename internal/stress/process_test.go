package stress_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

// process is what one process sees of a store that several share: requests are
// slow, fail before or after they are applied, or land after their sender has
// left; grants are told late, or never.
type process struct {
	store *memory.Backing
	w     *world
}

// world is a run: its randomness, and what is known of who is inside.
type world struct {
	mu       sync.Mutex
	r        *rand.Rand
	faults   bool
	lateness bool // requests may land after their sender has left
	inside   string
	trouble  []string
	trace    []string
	began    time.Time
}

func (w *world) n(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.r.IntN(n)
}

func (w *world) dur(most time.Duration) time.Duration { return time.Duration(w.n(int(most))) }

func (w *world) faulty() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.faults
}

func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace = append(w.trace, fmt.Sprintf("%8.4f ", time.Since(w.began).Seconds())+fmt.Sprintf(format, args...))
}

func (w *world) wrong(format string, args ...any) {
	w.note("WRONG: "+format, args...)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trouble = append(w.trouble, fmt.Sprintf(format, args...))
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
			return none, ctx.Err() // applied, and not heard
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
		d := p.w.dur(8 * time.Second)
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

func (p *process) IsLocked(ctx context.Context, key string) (bool, error) {
	return p.store.IsLocked(ctx, key)
}

func (p *process) GetHolder(ctx context.Context, key string) (option.Option[string], error) {
	return via(ctx, p, "who", func(ctx context.Context) (option.Option[string], error) { return p.store.GetHolder(ctx, key) })
}

const handed = 2 * time.Second

// told makes the messages to a waiter late, and some never come. The lease is a
// short one until the first refresh.
func (p *process) told(w backing.Waiter) backing.Waiter {
	inner := w.Granted
	w.Granted = func(h backing.Handed) {
		brief := w.Claim
		brief.TTL = min(handed, brief.TTL)
		if held, _ := p.store.Refresh(context.Background(), brief); !held {
			return
		}
		h.Lease = brief.TTL
		if !p.w.faulty() {
			inner(h)
			return
		}
		switch d := p.w.n(10); {
		case d < 5:
			p.w.note("told %s", short(w.Holder))
			inner(h)
		case d < 9:
			go func() {
				time.Sleep(p.w.dur(2500 * time.Millisecond))
				p.w.note("told %s late", short(w.Holder))
				inner(h)
			}()
		default:
			p.w.note("not told %s", short(w.Holder))
			if p.w.n(2) == 0 {
				go func() { time.Sleep(p.w.dur(time.Second)); w.Retry() }()
			}
		}
	}
	return w
}

// The queue of a process that polls is not there.
type queueing struct{ *process }

func (p queueing) Enqueue(ctx context.Context, w backing.Waiter) (backing.Standing, error) {
	if p.w.faulty() && p.w.n(10) == 0 {
		grant, err := p.TryAcquire(ctx, w.Claim)
		return backing.Standing{Grant: grant, NotQueued: errFault}, err
	}
	return via(ctx, p.process, "enqueue "+short(w.Holder), func(ctx context.Context) (backing.Standing, error) {
		s, err := p.store.Enqueue(ctx, p.told(w))
		s.AskAgain = min(s.AskAgain, handed)
		return s, err
	})
}

type passing struct{ queueing }

type answer struct {
	had bool
	backing.Standing
}

func (p passing) Pass(ctx context.Context, from string, next backing.Waiter, yield bool) (bool, backing.Standing, error) {
	if p.w.faulty() && p.w.n(3) == 0 {
		yield = true // more often than usual
	}
	a, err := via(ctx, p.process, "pass "+short(from)+" to "+short(next.Holder)+fmt.Sprint(yield), func(ctx context.Context) (answer, error) {
		had, s, err := p.store.Pass(ctx, from, p.told(next), yield)
		s.AskAgain = min(s.AskAgain, handed)
		return answer{had, s}, err
	})
	return a.had, a.Standing, err
}

// passOnly can hand over, and has no queue.
type passOnly struct{ p passing }

func (o passOnly) TryAcquire(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
	return o.p.TryAcquire(ctx, c)
}
func (o passOnly) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	return o.p.Refresh(ctx, c)
}
func (o passOnly) Release(ctx context.Context, key, holder string) (bool, error) {
	return o.p.Release(ctx, key, holder)
}
func (o passOnly) IsLocked(ctx context.Context, key string) (bool, error) {
	return o.p.IsLocked(ctx, key)
}
func (o passOnly) GetHolder(ctx context.Context, key string) (option.Option[string], error) {
	return o.p.GetHolder(ctx, key)
}
func (o passOnly) Pass(ctx context.Context, from string, next backing.Waiter, yield bool) (bool, backing.Standing, error) {
	had, s, err := o.p.Pass(ctx, from, next, false)
	return had, s, err
}
