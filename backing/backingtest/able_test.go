package backingtest

import (
	"context"
	"sync"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

// A full store has all abilities.
type full interface {
	backing.Backing
	backing.Passer
	backing.Queue
	backing.Batcher
	backing.Releaser
}

// allOf is what Abilities of a full store returns.
func allOf(f full) backing.Abilities {
	return backing.Abilities{Of: f, Queue: f, Passer: f, Batcher: f, Releaser: f}
}

// An able backing is a sound one with all abilities, and some operations replaced.
type able struct {
	*memory.Backing
	tryAcquire   func(context.Context, backing.Claim) (grantOption, error)
	refresh      func(context.Context, backing.Claim) (bool, error)
	release      func(ctx context.Context, key, holder string) (bool, error)
	releaseClaim func(context.Context, backing.Claim) (backing.Released, error)
	enqueue      func(context.Context, backing.Waiter) (backing.Outcome, error)
	pass         passing
	refreshAll   func(context.Context, []backing.Claim) []backing.Refreshed
	abilities    func(backing.Abilities) backing.Abilities
}

type passing func(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error)

func (a *able) Abilities() backing.Abilities {
	if a.abilities != nil {
		return a.abilities(allOf(a))
	}
	return allOf(a)
}

func (a *able) TryAcquire(ctx context.Context, c backing.Claim) (grantOption, error) {
	if a.tryAcquire != nil {
		return a.tryAcquire(ctx, c)
	}
	return a.Backing.TryAcquire(ctx, c)
}

func (a *able) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	if a.refresh != nil {
		return a.refresh(ctx, c)
	}
	return a.Backing.Refresh(ctx, c)
}

func (a *able) Release(ctx context.Context, key, holder string) (bool, error) {
	if a.release != nil {
		return a.release(ctx, key, holder)
	}
	return a.Backing.Release(ctx, key, holder)
}

func (a *able) ReleaseClaim(ctx context.Context, c backing.Claim) (backing.Released, error) {
	if a.releaseClaim != nil {
		return a.releaseClaim(ctx, c)
	}
	return a.Backing.ReleaseClaim(ctx, c)
}

func (a *able) Enqueue(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
	if a.enqueue != nil {
		return a.enqueue(ctx, w)
	}
	return a.Backing.Enqueue(ctx, w)
}

func (a *able) Pass(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
	if a.pass != nil {
		return a.pass(ctx, from, next, yield)
	}
	return a.Backing.Pass(ctx, from, next, yield)
}

func (a *able) RefreshAll(ctx context.Context, claims []backing.Claim) []backing.Refreshed {
	if a.refreshAll != nil {
		return a.refreshAll(ctx, claims)
	}
	return a.Backing.RefreshAll(ctx, claims)
}

// forgetful returns a backing that does not know a late request when it sees one: to
// it, each that is not a Pass is of an acquisition of its own.
func forgetful(m *memory.Backing) *able {
	a := &able{Backing: m}
	fresh := attempts()
	a.tryAcquire = func(ctx context.Context, c backing.Claim) (grantOption, error) {
		return m.TryAcquire(ctx, fresh(c))
	}
	a.enqueue = func(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
		w.Claim = fresh(w.Claim)
		return m.Enqueue(ctx, w)
	}
	return a
}

// waking changes how claimants are woken.
func waking(m *memory.Backing, wake func(w backing.Waiter)) *able {
	changed := func(w backing.Waiter) backing.Waiter {
		woken := w
		woken.Wake = func() { wake(w) }
		return woken
	}
	return &able{
		Backing: m,
		enqueue: func(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
			return m.Enqueue(ctx, changed(w))
		},
		pass: func(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
			return m.Pass(ctx, from, changed(next), yield)
		},
	}
}

// lines knows who waits in a backing.
type lines struct {
	mu      sync.Mutex
	waiting map[string][]backing.Waiter // by key
}

func (l *lines) of(key string) []backing.Waiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]backing.Waiter(nil), l.waiting[key]...)
}

func (l *lines) has(key, holder string) bool {
	for _, w := range l.of(key) {
		if w.Holder == holder {
			return true
		}
	}
	return false
}

func (l *lines) add(w backing.Waiter) {
	if l.has(w.Key, w.Holder) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == nil {
		l.waiting = map[string][]backing.Waiter{}
	}
	l.waiting[w.Key] = append(l.waiting[w.Key], w)
}

func (l *lines) remove(key, holder string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, w := range l.waiting[key] {
		if w.Holder == holder {
			l.waiting[key] = append(l.waiting[key][:i:i], l.waiting[key][i+1:]...)
			return
		}
	}
}

// lined returns a sound backing beside a list of who waits in it.
func lined(m *memory.Backing) (*able, *lines) {
	var l lines
	a := waking(m, func(w backing.Waiter) {
		l.remove(w.Key, w.Holder)
		w.Wake()
	})
	enqueue := a.enqueue
	a.enqueue = func(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
		l.add(w)
		o, err := enqueue(ctx, w)
		if _, queued := o.(backing.Queued); !queued {
			l.remove(w.Key, w.Holder)
		}
		return o, err
	}
	a.release = func(ctx context.Context, key, holder string) (bool, error) {
		ok, err := m.Release(ctx, key, holder)
		if !ok {
			l.remove(key, holder)
		}
		return ok, err
	}
	a.releaseClaim = func(ctx context.Context, c backing.Claim) (backing.Released, error) {
		found, err := m.ReleaseClaim(ctx, c)
		if found == backing.NotHeld {
			l.remove(c.Key, c.Holder)
		}
		return found, err
	}
	return a, &l
}
