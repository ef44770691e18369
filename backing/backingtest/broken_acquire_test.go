package backingtest

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

// Mistakes of TryAcquire, its tokens and its leases.
var brokenAcquires = []brokenBacking{
	{"TryAcquire forgets its holder", []rule{sameHolder}, func(m *memory.Backing) backing.Backing {
		return variant{Backing: m, tryAcquire: func(ctx context.Context, c backing.Claim) (grantOption, error) {
			if holderOf(m, c.Key) == c.Holder {
				return option.None[backing.Grant](), ctx.Err()
			}
			return m.TryAcquire(ctx, c)
		}}
	}},
	{"TryAcquire gives its holder a lower token", []rule{tokenKeeps}, func(m *memory.Backing) backing.Backing {
		return tokened(m, func(_ backing.Claim, g backing.Grant) uint64 {
			if g.Resumed {
				return g.Token - 1
			}
			return g.Token
		})
	}},
	{"TryAcquire takes every grant for a new one", []rule{sameHolder}, func(m *memory.Backing) backing.Backing {
		return resuming(m, false)
	}},
	{"TryAcquire takes every grant for an old one", []rule{resumedMeans}, func(m *memory.Backing) backing.Backing {
		return resuming(m, true)
	}},
	{"TryAcquire takes another attempt for another holder", []rule{sameButAttempt}, func(m *memory.Backing) backing.Backing {
		var granted record
		return variant{Backing: m, tryAcquire: func(ctx context.Context, c backing.Claim) (grantOption, error) {
			if holderOf(m, c.Key) == c.Holder && !granted.has(c.Key, c.Holder+" "+c.Attempt) {
				return option.None[backing.Grant](), ctx.Err()
			}
			o, err := m.TryAcquire(ctx, c)
			if option.IsSome(o) {
				granted.add(c.Key, c.Holder+" "+c.Attempt)
			}
			return o, err
		}}
	}},
	{"a release is remembered of every attempt of its holder", []rule{releaseFrees}, func(m *memory.Backing) backing.Backing {
		return claimed(m, func(c backing.Claim) backing.Claim {
			c.Attempt = ""
			return c
		})
	}},
	{"TryAcquire by the holder does not extend the lease", []rule{sameHolder}, func(m *memory.Backing) backing.Backing {
		return variant{Backing: m, tryAcquire: func(ctx context.Context, c backing.Claim) (grantOption, error) {
			if holderOf(m, c.Key) == c.Holder {
				return option.Some(backing.Grant{Resumed: true}), ctx.Err()
			}
			_, _ = m.TryAcquire(ctx, c)
			if holderOf(m, c.Key) == c.Holder {
				return option.Some(backing.Grant{}), ctx.Err()
			}
			return option.None[backing.Grant](), ctx.Err()
		}}
	}},
	{"TryAcquire evicts a lease shorter than its own", []rule{freeIsGiven}, func(m *memory.Backing) backing.Backing {
		var short record
		return variant{Backing: m, tryAcquire: func(ctx context.Context, c backing.Claim) (grantOption, error) {
			if h := holderOf(m, c.Key); h != c.Holder && short.has(c.Key, h) && c.TTL == long {
				_, _ = m.Release(ctx, c.Key, h)
			}
			if c.TTL < long {
				short.add(c.Key, c.Holder)
			}
			return m.TryAcquire(ctx, c)
		}}
	}},
	{"a refused TryAcquire sets its own TTL", []rule{freeIsGiven}, func(m *memory.Backing) backing.Backing {
		return variant{Backing: m, tryAcquire: func(ctx context.Context, c backing.Claim) (grantOption, error) {
			if h := holderOf(m, c.Key); h != "" {
				_, _ = m.Refresh(ctx, backing.Claim{Key: c.Key, Holder: h, TTL: c.TTL})
			}
			return m.TryAcquire(ctx, c)
		}}
	}},
	{"TryAcquire reports a held key as an error", []rule{errorMeans}, func(m *memory.Backing) backing.Backing {
		return variant{Backing: m, tryAcquire: func(ctx context.Context, c backing.Claim) (grantOption, error) {
			o, err := m.TryAcquire(ctx, c)
			if err == nil && option.IsNone(o) {
				err = errStore
			}
			return o, err
		}}
	}},
	{"TryAcquire waits", []rule{neverWaits}, func(m *memory.Backing) backing.Backing {
		return variant{Backing: m, tryAcquire: func(ctx context.Context, c backing.Claim) (grantOption, error) {
			for {
				o, err := m.TryAcquire(ctx, c)
				if err != nil || option.IsSome(o) {
					return o, err
				}
				time.Sleep(time.Second)
			}
		}}
	}},
	{"TryAcquire looks first and takes then", []rule{eachAtomic}, func(m *memory.Backing) backing.Backing {
		return variant{Backing: m, tryAcquire: func(ctx context.Context, c backing.Claim) (grantOption, error) {
			if ctx.Err() == nil && holderOf(m, c.Key) == "" {
				time.Sleep(aMoment)
				expires(m, c.Key, holderOf(m, c.Key))
			}
			return m.TryAcquire(ctx, c)
		}}
	}},

	{"tokens repeat", []rule{tokensRise}, func(m *memory.Backing) backing.Backing {
		return tokened(m, func(backing.Claim, backing.Grant) uint64 { return 7 })
	}},
	{"tokens fall", []rule{tokensRise}, func(m *memory.Backing) backing.Backing {
		return tokened(m, func(_ backing.Claim, g backing.Grant) uint64 { return -g.Token })
	}},
	{"tokens belong to holders", []rule{tokensRise}, func(m *memory.Backing) backing.Backing {
		return tokened(m, func(c backing.Claim, _ backing.Grant) uint64 { return uint64(c.Holder[0]) })
	}},
	{"tokens are lost for a while", []rule{tokensRise}, func(m *memory.Backing) backing.Backing {
		return tokened(m, func(c backing.Claim, g backing.Grant) uint64 {
			if c.Holder == "b" {
				return 0
			}
			return g.Token
		})
	}},

	{"the TTL is ignored", []rule{expiredIsFree}, func(m *memory.Backing) backing.Backing {
		return claimed(m, func(c backing.Claim) backing.Claim {
			c.TTL = 10 * long
			return c
		})
	}},
	{"leases end late", []rule{expiredIsFree}, func(m *memory.Backing) backing.Backing {
		return claimed(m, func(c backing.Claim) backing.Claim {
			c.TTL += c.TTL / 2
			return c
		})
	}},
	{"leases end early", []rule{ttlRuns}, func(m *memory.Backing) backing.Backing {
		return claimed(m, func(c backing.Claim) backing.Claim {
			c.TTL -= c.TTL / 4
			return c
		})
	}},
	{"the store keeps a thousand leases", []rule{ttlRuns}, func(m *memory.Backing) backing.Backing {
		var kept record
		var n atomic.Int64
		return variant{Backing: m, tryAcquire: func(ctx context.Context, c backing.Claim) (grantOption, error) {
			if !kept.has(c.Key, "") && n.Add(1) > 1000 {
				return option.Some(backing.Grant{}), ctx.Err() // granted, and forgotten at once
			}
			kept.add(c.Key, "")
			return m.TryAcquire(ctx, c)
		}}
	}},
}

// resuming says the same of every grant.
func resuming(m *memory.Backing, resumed bool) backing.Backing {
	return variant{Backing: m, tryAcquire: func(ctx context.Context, c backing.Claim) (grantOption, error) {
		o, err := m.TryAcquire(ctx, c)
		return option.Map(func(g backing.Grant) backing.Grant {
			g.Resumed = resumed
			return g
		})(o), err
	}}
}
