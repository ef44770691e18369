package backingtest

import (
	"context"
	"sync"
	"time"

	"github.com/effectlock/effectlock/backing"
)

// Mistakes that show when a store is restarted, with its data or without.
var brokenByLosses = []brokenByFault{
	{"Refresh creates the key again", []rule{refreshElse, refreshAllEach}, behind("Refresh creates the key again")},
	{"tokens begin again in an empty store", []rule{tokensRise}, behind("tokens are counted")},
	{"tokens begin again at a restart", []rule{tokensRise}, restarting(func(f *flawed) { f.flaw, f.token = "tokens are counted", 0 })},
	{"leases are not kept over a restart", []rule{ttlRuns, releaseFrees}, restarting(func(f *flawed) {
		for _, e := range f.keys {
			e.holder = ""
		}
	})},
	{"leases begin again at a restart", []rule{ttlRuns}, restarting(func(f *flawed) {
		for _, e := range f.keys {
			e.ends = time.Now().Add(long)
		}
	})},
	{"releases are not remembered over a restart", []rule{releaseTwice}, restarting(func(f *flawed) {
		for _, e := range f.keys {
			clear(e.gone)
		}
	})},
	{"those who wait go on waiting when the store is empty", []rule{enqueueTakes}, before(func(w *wire, _ *Faults) backing.Backing {
		return &stoic{wire: w}
	})},
}

// restarting is a store that changes when it is restarted.
func restarting(change func(*flawed)) func() (backing.Backing, Faults) {
	return func() (backing.Backing, Faults) {
		f := &flawed{}
		w, faults := wired(func() full { return f })
		faults.Wipe, faults.Restart = nil, func() { change(f) }
		return w, faults
	}
}

// stoic asks the store again only when it is woken.
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
