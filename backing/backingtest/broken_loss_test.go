package backingtest

import (
	"context"
	"sync"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
)

// Mistakes that show when a store is started anew, with its data or without.
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
	{"tokens begin anew in an empty store", []rule{tokensRise}, before(func(w *wire, f *Faults) backing.Backing {
		n := numbered(w)
		wipe := f.Wipe
		f.Wipe = func() {
			wipe()
			n.begin()
		}
		return n
	})},
	{"tokens begin anew at a restart", []rule{tokensRise}, before(func(w *wire, f *Faults) backing.Backing {
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
	{"leases begin anew at a restart", []rule{ttlRuns}, before(func(w *wire, f *Faults) backing.Backing {
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
	{"those who wait are told of a grant when the store is empty", []rule{toldOnce}, before(func(w *wire, f *Faults) backing.Backing {
		h := &hopeful{wire: w}
		wipe := f.Wipe
		f.Wipe = func() {
			wipe()
			h.tellAll()
		}
		return h
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
		return backing.Grant{Token: n.numbers[g.Token]}
	})(o), err
}

// hopeful takes a store that has forgotten the holder for a key that is free.
type hopeful struct {
	*wire
	waiting []backing.Waiter
}

func (h *hopeful) Enqueue(ctx context.Context, w backing.Waiter) (backing.Standing, error) {
	h.waiting = append(h.waiting, w)
	return h.wire.Enqueue(ctx, w)
}

func (h *hopeful) tellAll() {
	for _, w := range h.waiting {
		w.Granted(backing.Handed{Start: time.Now(), Lease: w.TTL})
	}
}

// stoic asks the store only once.
type stoic struct {
	*wire
	mu     sync.Mutex
	queued map[string]backing.Standing
}

func (s *stoic) Enqueue(ctx context.Context, w backing.Waiter) (backing.Standing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if standing, ok := s.queued[w.Key+" "+w.Holder]; ok {
		return standing, ctx.Err()
	}
	standing, err := s.wire.Enqueue(ctx, w)
	if err == nil && option.IsNone(standing.Grant) {
		if s.queued == nil {
			s.queued = map[string]backing.Standing{}
		}
		s.queued[w.Key+" "+w.Holder] = standing
	}
	return standing, err
}

// Release forgets.
func (s *stoic) Release(ctx context.Context, key, holder string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.queued, key+" "+holder)
	return s.wire.Release(ctx, key, holder)
}
