package backingtest

import (
	"context"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
)

// Mistakes that show while the connection to the store is cut, or when it is healed.
var brokenByCuts = []brokenByFault{
	{"does not look at the context of what is under way", []rule{endsSoon}, before(func(w *wire, _ *Faults) backing.Backing {
		w.deaf = true
		return w
	})},
	{"has an error of its own for a context that ends", []rule{endsSoon}, before(func(w *wire, _ *Faults) backing.Backing {
		w.failed = errStore
		return w
	})},
	{"what was given up lands later", []rule{settles}, func() (backing.Backing, Faults) {
		w, faults := wired(unremembering)
		w.late = true
		return w, faults
	}},
	{"a place that was given up is taken later", []rule{settles}, func() (backing.Backing, Faults) {
		w, faults := wired(unremembering)
		return lateInLine{w}, faults
	}},
	{"sends what was asked after the context had ended", []rule{endedContext}, before(func(w *wire, _ *Faults) backing.Backing {
		return &backing.Funcs{Base: w, TryAcquireFunc: func(ctx context.Context, c backing.Claim) (grantOption, error) {
			if ctx.Err() != nil {
				go func() { _, _ = w.TryAcquire(context.Background(), c) }()
			}
			return w.TryAcquire(ctx, c)
		}}
	})},
}

// lateInLine is late only with requests for a place in the queue.
type lateInLine struct{ *wire }

func (l lateInLine) Abilities() backing.Abilities { return allOf(l) }

func (l lateInLine) Enqueue(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
	store, _ := l.there()
	holder, _ := store.GetHolder(context.Background(), w.Key)
	l.set(func() { l.late = option.IsSome(holder) })
	defer l.set(func() { l.late = false })
	return l.wire.Enqueue(ctx, w)
}
