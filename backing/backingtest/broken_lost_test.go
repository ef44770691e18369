package backingtest

import (
	"context"

	"github.com/effectlock/effectlock/backing"
)

// Mistakes that a lost answer reveals.
var brokenByLostAnswers = []brokenByFault{
	{"TryAcquire refuses its own holder", []rule{sameHolder}, behind("TryAcquire forgets its holder")},
	{"Release forgets what it released", []rule{releaseTwice}, behind("a second Release answers false")},
	{"ReleaseClaim forgets what it released", []rule{freedBefore}, behind("ReleaseClaim does not know what was freed earlier")},
	{"a second Pass is refused", []rule{passAgain}, behind("a second Pass is refused")},
	{"Enqueue does not recognize a holder", []rule{enqueueTakes}, behind("Enqueue forgets its holder")},

	{"each failure is said to be one to send", []rule{notSent}, before(func(w *wire, _ *Faults) backing.Backing {
		return &backing.Funcs{Base: w, TryAcquireFunc: func(ctx context.Context, c backing.Claim) (grantOption, error) {
			grant, err := w.TryAcquire(ctx, c)
			return grant, backing.NotSent(err)
		}}
	})},

	{"Refresh gives up for good after a failure", []rule{refreshExtends}, tired("Refresh")},
	{"RefreshAll gives up for good after a failure", []rule{refreshAllEach}, tired("RefreshAll")},
	{"Enqueue goes to the end after a failure", []rule{enqueueWaits}, func() (backing.Backing, Faults) {
		w, faults := wired(unremembering)
		return &shy{wire: w}, faults
	}},
}

// tired never repeats a request that once had no answer.
func tired(operation string) func() (backing.Backing, Faults) {
	return before(func(w *wire, _ *Faults) backing.Backing {
		w.tired = operation
		return w
	})
}

// shy leaves and queues again if it does not know whether it is queued.
type shy struct {
	*wire
	unsure record
}

func (s *shy) Abilities() backing.Abilities { return allOf(s) }

func (s *shy) Enqueue(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
	if s.unsure.has(w.Key, w.Holder) {
		_, _ = s.Release(ctx, w.Key, w.Holder)
	}
	o, err := s.wire.Enqueue(ctx, w)
	if err != nil {
		s.unsure.add(w.Key, w.Holder)
	}
	return o, err
}
