package backingtest

import (
	"context"
	"sync"
	"time"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

// Mistakes of how claimants are woken, and of the lease that they find.
var brokenWakeUps = []brokenBacking{
	{"the one that has the key is not woken", []rule{wakes}, func(m *memory.Backing) backing.Backing {
		return waking(m, func(backing.Waiter) {})
	}},
	{"the one that has the key is not woken, and asks every second", []rule{wakes}, func(m *memory.Backing) backing.Backing {
		a := waking(m, func(backing.Waiter) {})
		enqueue := a.enqueue
		a.enqueue = func(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
			o, err := enqueue(ctx, w)
			if q, ok := o.(backing.Queued); ok {
				o = backing.Queued{AskAgain: min(q.AskAgain, time.Second)}
			}
			return o, err
		}
		return a
	}},
	{"the key is not there for the one that is woken", []rule{releaseHands}, func(m *memory.Backing) backing.Backing {
		return waking(m, func(w backing.Waiter) {
			expires(m, w.Key, w.Holder)
			w.Wake()
		})
	}},
	{"the key is kept for longer than its claimant wanted", []rule{leaseIsBounded}, func(m *memory.Backing) backing.Backing {
		return waking(m, func(w backing.Waiter) {
			_, _ = m.Refresh(context.Background(), backing.Claim{Key: w.Key, Holder: w.Holder, TTL: long})
			w.Wake()
		})
	}},
	{"one that was woken has no longer lease than the key was kept", []rule{enqueueTakes}, func(m *memory.Backing) backing.Backing {
		var kept sync.Map
		a := waking(m, func(w backing.Waiter) {
			kept.Store(w.Key+" "+w.Holder, w.TTL)
			w.Wake()
		})
		enqueue := a.enqueue
		a.enqueue = func(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
			if ttl, ok := kept.Load(w.Key + " " + w.Holder); ok {
				w.TTL = ttl.(time.Duration)
			}
			return enqueue(ctx, w)
		}
		return a
	}},
	{"the key that was kept is granted as if it had been free", []rule{resumedMeans}, func(m *memory.Backing) backing.Backing {
		var kept record
		a := waking(m, func(w backing.Waiter) {
			kept.add(w.Key, w.Holder)
			w.Wake()
		})
		enqueue := a.enqueue
		a.enqueue = func(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
			o, err := enqueue(ctx, w)
			if g, ok := o.(backing.Granted); ok && kept.has(w.Key, w.Holder) {
				g.Resumed = false
				o = g
			}
			return o, err
		}
		return a
	}},
}

// expires ends the lease of holder now, if there is one.
func expires(m *memory.Backing, key, holder string) {
	if holder == "" {
		return
	}
	_, _ = m.Refresh(context.Background(), backing.Claim{Key: key, Holder: holder, TTL: 1})
	time.Sleep(time.Nanosecond)
}
