package backingtest

import (
	"context"
	"slices"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

// Mistakes of a batch of refreshes.
var brokenBatches = []brokenBacking{
	{"RefreshAll answers in another order", []rule{refreshAllEach}, batched(func(all []backing.Refreshed) []backing.Refreshed {
		slices.Reverse(all)
		return all
	})},
	{"RefreshAll answers only who has the key", []rule{refreshAllEach}, batched(func(all []backing.Refreshed) []backing.Refreshed {
		return slices.DeleteFunc(all, func(r backing.Refreshed) bool { return !r.Held && r.Err == nil })
	})},
	{"RefreshAll stops at the first that has no key", []rule{refreshAllApart}, func(m *memory.Backing) backing.Backing {
		return &able{Backing: m, refreshAll: func(ctx context.Context, claims []backing.Claim) []backing.Refreshed {
			all := make([]backing.Refreshed, len(claims))
			for i, c := range claims {
				all[i].Held, all[i].Err = m.Refresh(ctx, c)
				if !all[i].Held && all[i].Err == nil {
					break
				}
			}
			return all
		}}
	}},
	{"RefreshAll creates keys", []rule{refreshAllEach}, func(m *memory.Backing) backing.Backing {
		return &able{Backing: m, refreshAll: func(ctx context.Context, claims []backing.Claim) []backing.Refreshed {
			all := m.RefreshAll(ctx, claims)
			for _, c := range claims {
				_, _ = m.TryAcquire(ctx, c)
			}
			return all
		}}
	}},
	{"RefreshAll only looks", []rule{refreshAllEach}, func(m *memory.Backing) backing.Backing {
		return &able{Backing: m, refreshAll: func(ctx context.Context, claims []backing.Claim) []backing.Refreshed {
			all := make([]backing.Refreshed, len(claims))
			for i, c := range claims {
				all[i] = backing.Refreshed{Held: holderOf(m, c.Key) == c.Holder, Err: ctx.Err()}
			}
			return all
		}}
	}},
	{"RefreshAll ignores an ended context", []rule{endedContext}, func(m *memory.Backing) backing.Backing {
		return &able{Backing: m, refreshAll: func(ctx context.Context, claims []backing.Claim) []backing.Refreshed {
			return m.RefreshAll(context.WithoutCancel(ctx), claims)
		}}
	}},
}

func batched(change func([]backing.Refreshed) []backing.Refreshed) func(*memory.Backing) backing.Backing {
	return func(m *memory.Backing) backing.Backing {
		return &able{Backing: m, refreshAll: func(ctx context.Context, claims []backing.Claim) []backing.Refreshed {
			return change(m.RefreshAll(ctx, claims))
		}}
	}
}
