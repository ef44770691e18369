package backingtest

import (
	"context"
	"sync"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

// An able backing is a sound one with all abilities, and some operations replaced.
type able struct {
	*memory.Backing
	tryAcquire func(context.Context, backing.Claim) (grantOption, error)
	refresh    func(context.Context, backing.Claim) (bool, error)
	release    func(ctx context.Context, key, holder string) (bool, error)
	enqueue    func(context.Context, backing.Waiter) (backing.Standing, error)
	pass       passing
	refreshAll func(context.Context, []backing.Claim) []backing.Refreshed
}

type passing func(ctx context.Context, from string, next backing.Waiter, yield bool) (bool, backing.Standing, error)

func (a able) TryAcquire(ctx context.Context, c backing.Claim) (grantOption, error) {
	if a.tryAcquire != nil {
		return a.tryAcquire(ctx, c)
	}
	return a.Backing.TryAcquire(ctx, c)
}

func (a able) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	if a.refresh != nil {
		return a.refresh(ctx, c)
	}
	return a.Backing.Refresh(ctx, c)
}

func (a able) Release(ctx context.Context, key, holder string) (bool, error) {
	if a.release != nil {
		return a.release(ctx, key, holder)
	}
	return a.Backing.Release(ctx, key, holder)
}

func (a able) Enqueue(ctx context.Context, w backing.Waiter) (backing.Standing, error) {
	if a.enqueue != nil {
		return a.enqueue(ctx, w)
	}
	return a.Backing.Enqueue(ctx, w)
}

func (a able) Pass(ctx context.Context, from string, next backing.Waiter, yield bool) (bool, backing.Standing, error) {
	if a.pass != nil {
		return a.pass(ctx, from, next, yield)
	}
	return a.Backing.Pass(ctx, from, next, yield)
}

func (a able) RefreshAll(ctx context.Context, claims []backing.Claim) []backing.Refreshed {
	if a.refreshAll != nil {
		return a.refreshAll(ctx, claims)
	}
	return a.Backing.RefreshAll(ctx, claims)
}

// telling changes how the claimant is told of a grant.
func telling(m *memory.Backing, tell func(w backing.Waiter, h backing.Handed)) able {
	changed := func(w backing.Waiter) backing.Waiter {
		told := w
		told.Granted = func(h backing.Handed) { tell(w, h) }
		return told
	}
	return able{
		Backing: m,
		enqueue: func(ctx context.Context, w backing.Waiter) (backing.Standing, error) {
			return m.Enqueue(ctx, changed(w))
		},
		pass: func(ctx context.Context, from string, next backing.Waiter, yield bool) (bool, backing.Standing, error) {
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
func lined(m *memory.Backing) (able, *lines) {
	var l lines
	a := telling(m, func(w backing.Waiter, h backing.Handed) {
		l.remove(w.Key, w.Holder)
		w.Granted(h)
	})
	enqueue := a.enqueue
	a.enqueue = func(ctx context.Context, w backing.Waiter) (backing.Standing, error) {
		l.add(w)
		s, err := enqueue(ctx, w)
		if err != nil || option.IsSome(s.Grant) {
			l.remove(w.Key, w.Holder)
		}
		return s, err
	}
	a.release = func(ctx context.Context, key, holder string) (bool, error) {
		ok, err := m.Release(ctx, key, holder)
		if !ok {
			l.remove(key, holder)
		}
		return ok, err
	}
	return a, &l
}
