package backingtest

import (
	"context"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

// Mistakes that a lost answer brings to light.
var brokenByLostAnswers = []brokenByFault{
	{"TryAcquire refuses its own holder", []rule{sameHolder}, behind(func(m *memory.Backing) able {
		return able{Backing: m, tryAcquire: func(ctx context.Context, c backing.Claim) (grantOption, error) {
			if holderOf(m, c.Key) == c.Holder {
				return grantOption{}, nil
			}
			return m.TryAcquire(ctx, c)
		}}
	})},
	{"Release forgets what it released", []rule{releaseTwice}, behind(func(m *memory.Backing) able {
		return able{Backing: m, release: func(ctx context.Context, key, holder string) (bool, error) {
			had := holderOf(m, key) == holder
			_, err := m.Release(ctx, key, holder)
			return had, err
		}}
	})},
	{"a second Pass answers false", []rule{passAgain}, behind(func(m *memory.Backing) able {
		return able{Backing: m, pass: func(ctx context.Context, from string, next backing.Waiter, yield bool) (bool, backing.Standing, error) {
			if holderOf(m, next.Key) != from {
				return false, backing.Standing{}, nil
			}
			return m.Pass(ctx, from, next, yield)
		}}
	})},
	{"Enqueue does not recognize a holder", []rule{enqueueTakes}, behind(func(m *memory.Backing) able {
		return able{Backing: m, enqueue: func(ctx context.Context, w backing.Waiter) (backing.Standing, error) {
			if holderOf(m, w.Key) == w.Holder {
				return backing.Standing{AskAgain: long}, nil
			}
			return m.Enqueue(ctx, w)
		}}
	})},

	{"Refresh gives up for good after a failure", []rule{refreshExtends}, before(func(w *wire, _ *Faults) backing.Backing {
		var given record
		return variant{Backing: w, refresh: func(ctx context.Context, c backing.Claim) (bool, error) {
			if given.has(c.Key, c.Holder) {
				return false, nil
			}
			ok, err := w.Refresh(ctx, c)
			if err != nil && ctx.Err() == nil {
				given.add(c.Key, c.Holder)
			}
			return ok, err
		}}
	})},
	{"RefreshAll gives up for good after a failure", []rule{refreshAllEach}, before(func(w *wire, _ *Faults) backing.Backing {
		return &tired{wire: w}
	})},
	{"Enqueue goes to the end after a failure", []rule{enqueueWaits}, before(func(w *wire, _ *Faults) backing.Backing {
		return &shy{wire: w}
	})},
}

// tired does not refresh together any more what it once could not.
type tired struct {
	*wire
	given record
}

func (d *tired) RefreshAll(ctx context.Context, claims []backing.Claim) []backing.Refreshed {
	if d.given.has(claims[0].Key, "") {
		return make([]backing.Refreshed, len(claims))
	}
	all := d.wire.RefreshAll(ctx, claims)
	if all[0].Err != nil && ctx.Err() == nil {
		d.given.add(claims[0].Key, "")
	}
	return all
}

// shy leaves and queues anew where it does not know whether it is in the queue.
type shy struct {
	*wire
	unsure record
}

func (s *shy) Enqueue(ctx context.Context, w backing.Waiter) (backing.Standing, error) {
	if s.unsure.has(w.Key, w.Holder) {
		_, _ = s.Release(ctx, w.Key, w.Holder)
	}
	standing, err := s.wire.Enqueue(ctx, w)
	if err != nil {
		s.unsure.add(w.Key, w.Holder)
	}
	return standing, err
}
