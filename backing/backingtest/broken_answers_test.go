package backingtest

import (
	"context"
	"strings"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

// Mistakes that any operation can make: with the answers, the strings, the context.
var brokenAnswers = []brokenBacking{
	{"IsLocked remembers the dead", []rule{isLocked}, func(m *memory.Backing) backing.Backing {
		var ever record
		return variant{
			Backing: m,
			tryAcquire: func(ctx context.Context, c backing.Claim) (grantOption, error) {
				o, err := m.TryAcquire(ctx, c)
				if err == nil {
					ever.add(c.Key, "")
				}
				return o, err
			},
			isLocked: func(ctx context.Context, key string) (bool, error) { return ever.has(key, ""), ctx.Err() },
		}
	}},
	{"IsLocked knows nothing", []rule{isLocked}, func(m *memory.Backing) backing.Backing {
		return variant{Backing: m, isLocked: func(ctx context.Context, _ string) (bool, error) { return false, ctx.Err() }}
	}},
	{"GetHolder knows nothing", []rule{getHolder}, func(m *memory.Backing) backing.Backing {
		return variant{Backing: m, getHolder: func(ctx context.Context, _ string) (holderOption, error) {
			return option.None[string](), ctx.Err()
		}}
	}},

	{"holders are compared by prefix", []rule{wholeStrings}, func(m *memory.Backing) backing.Backing {
		whole := func(key, holder string) string {
			if h := holderOf(m, key); strings.HasPrefix(h, holder) {
				return h
			}
			return holder
		}
		v := claimed(m, func(c backing.Claim) backing.Claim {
			c.Holder = whole(c.Key, c.Holder)
			return c
		}).(variant)
		v.release = func(ctx context.Context, key, holder string) (bool, error) {
			return m.Release(ctx, key, whole(key, holder))
		}
		return v
	}},
	{"keys are compared without case", []rule{wholeStrings}, func(m *memory.Backing) backing.Backing {
		return keyed(m, strings.ToLower)
	}},
	{"keys end at a NUL byte", []rule{wholeStrings}, func(m *memory.Backing) backing.Backing {
		return keyed(m, func(key string) string {
			key, _, _ = strings.Cut(key, "\x00")
			return key
		})
	}},
	{"keys with the same hash tag are one", []rule{wholeStrings}, func(m *memory.Backing) backing.Backing {
		return keyed(m, func(key string) string {
			if _, tag, ok := strings.Cut(key, "{"); ok && strings.Contains(tag, "}") {
				key, _, _ = strings.Cut(tag, "}")
			}
			return key
		})
	}},
	{"GetHolder trims its answer", []rule{anyBytes}, func(m *memory.Backing) backing.Backing {
		return variant{Backing: m, getHolder: func(ctx context.Context, key string) (holderOption, error) {
			o, err := m.GetHolder(ctx, key)
			return option.Map(strings.TrimSpace)(o), err
		}}
	}},
	{"long keys are refused", []rule{anyBytes}, func(m *memory.Backing) backing.Backing {
		return variant{Backing: m, tryAcquire: func(ctx context.Context, c backing.Claim) (grantOption, error) {
			if len(c.Key) > 255 {
				return option.None[backing.Grant](), errStore
			}
			return m.TryAcquire(ctx, c)
		}}
	}},

	{"TryAcquire ignores an ended context", []rule{endedContext}, func(m *memory.Backing) backing.Backing {
		return variant{Backing: m, tryAcquire: func(ctx context.Context, c backing.Claim) (grantOption, error) {
			return m.TryAcquire(context.WithoutCancel(ctx), c)
		}}
	}},
	{"TryAcquire takes the key and then looks at the context", []rule{endedContext}, func(m *memory.Backing) backing.Backing {
		return variant{Backing: m, tryAcquire: func(ctx context.Context, c backing.Claim) (grantOption, error) {
			o, _ := m.TryAcquire(context.WithoutCancel(ctx), c)
			return o, ctx.Err()
		}}
	}},
	{"Refresh ignores an ended context", []rule{endedContext}, func(m *memory.Backing) backing.Backing {
		return variant{Backing: m, refresh: func(ctx context.Context, c backing.Claim) (bool, error) {
			_, _ = m.Refresh(context.WithoutCancel(ctx), c)
			return m.Refresh(ctx, c)
		}}
	}},
	{"Release ignores an ended context", []rule{endedContext}, func(m *memory.Backing) backing.Backing {
		return variant{Backing: m, release: func(ctx context.Context, key, holder string) (bool, error) {
			ok, _ := m.Release(context.WithoutCancel(ctx), key, holder)
			return ok, ctx.Err()
		}}
	}},
	{"IsLocked ignores an ended context", []rule{endedContext}, func(m *memory.Backing) backing.Backing {
		return variant{Backing: m, isLocked: func(ctx context.Context, key string) (bool, error) {
			return m.IsLocked(context.WithoutCancel(ctx), key)
		}}
	}},
	{"GetHolder hides the context's error", []rule{endedContext}, func(m *memory.Backing) backing.Backing {
		return variant{Backing: m, getHolder: func(ctx context.Context, key string) (holderOption, error) {
			o, err := m.GetHolder(ctx, key)
			if err != nil {
				err = errStore
			}
			return o, err
		}}
	}},
}
