package backingtest

import (
	"context"
	"time"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

// Mistakes of what claimants are told.
var brokenTellings = []brokenBacking{
	{"who has the key is not told", []rule{toldOnce}, func(m *memory.Backing) backing.Backing {
		return telling(m, func(backing.Waiter, backing.Handed) {})
	}},
	{"who has the key is not told, and asks every second", []rule{toldOnce}, func(m *memory.Backing) backing.Backing {
		a := telling(m, func(backing.Waiter, backing.Handed) {})
		enqueue := a.enqueue
		a.enqueue = func(ctx context.Context, w backing.Waiter) (backing.Standing, error) {
			s, err := enqueue(ctx, w)
			s.AskAgain = min(s.AskAgain, time.Second)
			return s, err
		}
		return a
	}},
	{"who has the key is told twice", []rule{toldOnce}, func(m *memory.Backing) backing.Backing {
		return telling(m, func(w backing.Waiter, h backing.Handed) {
			w.Granted(h)
			w.Granted(h)
		})
	}},
	{"a lease that is handed over begins in the future", []rule{startIsPast}, told(func(_ backing.Waiter, h *backing.Handed) {
		h.Start = h.Start.Add(time.Second)
	})},
	{"a lease that is handed over is said to be longer than the claim's", []rule{leaseIsBounded}, told(func(w backing.Waiter, h *backing.Handed) {
		h.Lease = w.TTL + 1
	})},
	{"a lease that is handed over is said to be none", []rule{leaseIsBounded}, told(func(_ backing.Waiter, h *backing.Handed) {
		h.Lease = 0
	})},
	{"a lease that is handed over runs longer than is said", []rule{leaseIsReal}, told(func(_ backing.Waiter, h *backing.Handed) {
		h.Lease /= 2
	})},
	{"a handed grant has the token of another", []rule{tokensRise}, told(func(_ backing.Waiter, h *backing.Handed) {
		h.Token = 7
	})},
	{"a lease that is handed over runs shorter than is said", []rule{leaseIsReal}, func(m *memory.Backing) backing.Backing {
		return telling(m, func(w backing.Waiter, h backing.Handed) {
			_, _ = m.Refresh(context.Background(), backing.Claim{Key: w.Key, Holder: w.Holder, TTL: w.TTL / 2})
			w.Granted(h)
		})
	}},
	{"a lease that was handed over cannot be refreshed", []rule{firstRefresh}, func(m *memory.Backing) backing.Backing {
		var handed record
		a := telling(m, func(w backing.Waiter, h backing.Handed) {
			handed.add(w.Key, w.Holder)
			w.Granted(h)
		})
		a.refresh = func(ctx context.Context, c backing.Claim) (bool, error) {
			if handed.has(c.Key, c.Holder) {
				return holderOf(m, c.Key) == c.Holder, ctx.Err()
			}
			return m.Refresh(ctx, c)
		}
		return a
	}},
}

func told(change func(backing.Waiter, *backing.Handed)) func(*memory.Backing) backing.Backing {
	return func(m *memory.Backing) backing.Backing {
		return telling(m, func(w backing.Waiter, h backing.Handed) {
			change(w, &h)
			w.Granted(h)
		})
	}
}
