package backingtest

import (
	"context"
	"sync"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
)

// Mistakes that show when a store is started again, with its data or without.
var brokenByLosses = []brokenByFault{
	{"Refresh creates the key again for its holder", []rule{refreshElse}, before(func(w *wire, _ *Faults) backing.Backing {
		var holding record
		return variant{
			Backing: w,
			tryAcquire: func(ctx context.Context, c backing.Claim) (grantOption, error) {
				o, err := w.TryAcquire(ctx, c)
				if option.IsSome(o) {
					holding.add(c.Key, c.Holder)
				}
				return o, err
			},
			refresh: func(ctx context.Context, c backing.Claim) (bool, error) {
				ok, err := w.Refresh(ctx, c)
				if ok || err != nil || !holding.has(c.Key, c.Holder) {
					return ok, err
				}
				o, err := w.TryAcquire(ctx, c)
				return option.IsSome(o), err
			},
		}
	})},
	{"RefreshAll creates the keys again", []rule{refreshAllEach}, before(func(w *wire, _ *Faults) backing.Backing {
		return &restoring{wire: w}
	})},
	{"tokens begin again in an empty store", []rule{tokensRise}, before(func(w *wire, f *Faults) backing.Backing {
		n := numbered(w)
		wipe := f.Wipe
		f.Wipe = func() {
			wipe()
			n.begin()
		}
		return n
	})},
	{"tokens begin again at a restart", []rule{tokensRise}, before(func(w *wire, f *Faults) backing.Backing {
		n := numbered(w)
		f.Restart = n.begin
		return n
	})},
	{"leases are not kept over a restart", []rule{ttlRuns}, before(func(w *wire, f *Faults) backing.Backing {
		var before record
		f.Restart = f.Wipe
		return variant{Backing: w, release: func(ctx context.Context, key, holder string) (bool, error) {
			ok, err := w.Release(ctx, key, holder)
			if ok {
				before.add(key, holder)
			}
			return ok || err == nil && before.has(key, holder), err
		}}
	})},
	{"leases begin again at a restart", []rule{ttlRuns}, before(func(w *wire, f *Faults) backing.Backing {
		var mu sync.Mutex
		var all []backing.Claim
		f.Restart = func() {
			mu.Lock()
			defer mu.Unlock()
			for _, c := range all {
				c.TTL = long
				_, _ = w.Refresh(context.Background(), c)
			}
		}
		return variant{Backing: w, tryAcquire: func(ctx context.Context, c backing.Claim) (grantOption, error) {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, c)
			return w.TryAcquire(ctx, c)
		}}
	})},
	{"releases are not remembered over a restart", []rule{releaseTwice}, before(func(w *wire, f *Faults) backing.Backing {
		var early record
		var released []who
		f.Restart = func() {
			for _, r := range released {
				early.add(r.key, r.holder)
			}
		}
		return variant{Backing: w, release: func(ctx context.Context, key, holder string) (bool, error) {
			released = append(released, who{key, holder})
			had, err := w.GetHolder(ctx, key)
			if err == nil && had != option.Some(holder) && early.has(key, holder) {
				return false, nil
			}
			return w.Release(ctx, key, holder)
		}}
	})},
	{"those who wait go on waiting when the store is empty", []rule{enqueueTakes}, before(func(w *wire, _ *Faults) backing.Backing {
		return &stoic{wire: w}
	})},
}

// restoring trusts what it refreshed before.
type restoring struct {
	*wire
	held record
}

func (r *restoring) Abilities() backing.Abilities { return allOf(r) }

func (r *restoring) RefreshAll(ctx context.Context, claims []backing.Claim) []backing.Refreshed {
	all := r.wire.RefreshAll(ctx, claims)
	for i, c := range claims {
		switch {
		case all[i].Held:
			r.held.add(c.Key, c.Holder)
		case all[i].Err == nil && r.held.has(c.Key, c.Holder):
			_, _ = r.TryAcquire(ctx, c)
		}
	}
	return all
}

// numbered counts its grants.
func numbered(w *wire) *counting { return &counting{Backing: w, numbers: map[uint64]uint64{}} }

type counting struct {
	backing.Backing
	mu      sync.Mutex
	next    uint64
	numbers map[uint64]uint64 // by the token of the store
}

func (n *counting) begin() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.next = 0
}

func (n *counting) TryAcquire(ctx context.Context, c backing.Claim) (grantOption, error) {
	o, err := n.Backing.TryAcquire(ctx, c)
	n.mu.Lock()
	defer n.mu.Unlock()
	return option.Map(func(g backing.Grant) backing.Grant {
		if n.numbers[g.Token] == 0 {
			n.next++
			n.numbers[g.Token] = n.next
		}
		return backing.Grant{Token: n.numbers[g.Token], Resumed: g.Resumed}
	})(o), err
}

// stoic asks the store only once, unless it is woken.
type stoic struct {
	*wire
	mu     sync.Mutex
	queued map[string]backing.Outcome
}

func (s *stoic) Abilities() backing.Abilities { return allOf(s) }

func (s *stoic) Enqueue(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o, ok := s.queued[w.Key+" "+w.Holder]; ok {
		return o, ctx.Err()
	}
	wake := w.Wake
	w.Wake = func() {
		s.forget(w.Key, w.Holder)
		wake()
	}
	o, err := s.wire.Enqueue(ctx, w)
	if _, queued := o.(backing.Queued); queued {
		if s.queued == nil {
			s.queued = map[string]backing.Outcome{}
		}
		s.queued[w.Key+" "+w.Holder] = o
	}
	return o, err
}

func (s *stoic) forget(key, holder string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.queued, key+" "+holder)
}

func (s *stoic) Release(ctx context.Context, key, holder string) (bool, error) {
	s.forget(key, holder)
	return s.wire.Release(ctx, key, holder)
}
