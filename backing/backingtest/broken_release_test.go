package backingtest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

// Mistakes of Refresh and Release.
var brokenReleases = []brokenBacking{
	{"Refresh creates the key again", []rule{refreshElse}, func(m *memory.Backing) backing.Backing {
		return variant{Backing: m, refresh: func(ctx context.Context, c backing.Claim) (bool, error) {
			o, err := m.TryAcquire(ctx, c)
			return option.IsSome(o), err
		}}
	}},
	{"Refresh by another holder sets the TTL", []rule{refreshElse}, func(m *memory.Backing) backing.Backing {
		return variant{Backing: m, refresh: func(ctx context.Context, c backing.Claim) (bool, error) {
			h := holderOf(m, c.Key)
			ok, err := m.Refresh(ctx, backing.Claim{Key: c.Key, Holder: h, TTL: c.TTL})
			return ok && h == c.Holder, err
		}}
	}},
	{"Refresh asks whether there is a key, not whose", []rule{refreshElse}, func(m *memory.Backing) backing.Backing {
		return variant{Backing: m, refresh: func(ctx context.Context, c backing.Claim) (bool, error) {
			ok, err := m.Refresh(ctx, c)
			return ok || holderOf(m, c.Key) != "", err
		}}
	}},
	{"Refresh looks first and writes then", []rule{refreshElse}, func(m *memory.Backing) backing.Backing {
		return variant{Backing: m, refresh: func(ctx context.Context, c backing.Claim) (bool, error) {
			if ctx.Err() != nil || holderOf(m, c.Key) != c.Holder {
				return false, ctx.Err()
			}
			time.Sleep(aMoment)
			o, err := m.TryAcquire(ctx, unknown(c))
			return option.IsSome(o), err
		}}
	}},
	{"Refresh remembers whom it refused", []rule{releaseElse}, func(m *memory.Backing) backing.Backing {
		var refused sync.Map
		return variant{
			Backing: m,
			refresh: func(ctx context.Context, c backing.Claim) (bool, error) {
				ok, err := m.Refresh(ctx, c)
				if err == nil && !ok && holderOf(m, c.Key) != "" {
					refused.Store([2]string{c.Key, c.Holder}, true)
				}
				return ok, err
			},
			release: func(ctx context.Context, key, holder string) (bool, error) {
				ok, err := m.Release(ctx, key, holder)
				_, known := refused.Load([2]string{key, holder})
				return ok || err == nil && known, err
			},
		}
	}},
	{"Refresh does nothing", []rule{refreshExtends}, func(m *memory.Backing) backing.Backing {
		return variant{Backing: m, refresh: func(ctx context.Context, c backing.Claim) (bool, error) {
			return holderOf(m, c.Key) == c.Holder, ctx.Err()
		}}
	}},
	{"Refresh of a decorator that embeds a store does nothing", []rule{refreshExtends}, func(m *memory.Backing) backing.Backing {
		return embedding{m}
	}},
	{"Refresh answers false", []rule{refreshExtends}, func(m *memory.Backing) backing.Backing {
		return variant{Backing: m, refresh: func(ctx context.Context, c backing.Claim) (bool, error) {
			_, err := m.Refresh(ctx, c)
			return false, err
		}}
	}},
	{"Refresh never makes a lease shorter", []rule{refreshExtends}, func(m *memory.Backing) backing.Backing {
		return variant{Backing: m, refresh: func(ctx context.Context, c backing.Claim) (bool, error) {
			if c.TTL < long {
				return holderOf(m, c.Key) == c.Holder, ctx.Err()
			}
			return m.Refresh(ctx, c)
		}}
	}},

	{"Release ignores the holder", []rule{releaseElse, releaseInBetween}, func(m *memory.Backing) backing.Backing {
		return variant{Backing: m, release: func(ctx context.Context, key, holder string) (bool, error) {
			if h := holderOf(m, key); h != "" {
				holder = h
			}
			return m.Release(ctx, key, holder)
		}}
	}},
	{"Release after expiry deletes the next holder's lease", []rule{releaseElse}, func(m *memory.Backing) backing.Backing {
		var granted, released record
		return variant{
			Backing: m,
			tryAcquire: func(ctx context.Context, c backing.Claim) (grantOption, error) {
				o, err := m.TryAcquire(ctx, c)
				if option.IsSome(o) {
					granted.add(c.Key, c.Holder)
				}
				return o, err
			},
			release: func(ctx context.Context, key, holder string) (bool, error) {
				ok, err := m.Release(ctx, key, holder)
				if ok {
					released.add(key, holder)
				} else if granted.has(key, holder) && !released.has(key, holder) {
					_, err = m.Release(ctx, key, holderOf(m, key))
				}
				return ok, err
			},
		}
	}},
	{"Release always answers true", []rule{releaseElse}, func(m *memory.Backing) backing.Backing {
		return variant{Backing: m, release: func(ctx context.Context, key, holder string) (bool, error) {
			_, err := m.Release(ctx, key, holder)
			return true, err
		}}
	}},
	{"Release frees nothing", []rule{releaseFrees}, func(m *memory.Backing) backing.Backing {
		var released record
		return variant{Backing: m, release: func(ctx context.Context, key, holder string) (bool, error) {
			if holderOf(m, key) == holder {
				released.add(key, holder)
			}
			return released.has(key, holder), ctx.Err()
		}}
	}},
	{"Release answers false", []rule{releaseFrees}, func(m *memory.Backing) backing.Backing {
		return variant{Backing: m, release: func(ctx context.Context, key, holder string) (bool, error) {
			was := holderOf(m, key)
			ok, err := m.Release(ctx, key, holder)
			return ok && was != holder, err
		}}
	}},
	{"a second Release answers false", []rule{releaseTwice}, func(m *memory.Backing) backing.Backing {
		var released record
		return variant{Backing: m, release: func(ctx context.Context, key, holder string) (bool, error) {
			was := holderOf(m, key)
			ok, err := m.Release(ctx, key, holder)
			again := was != holder && released.has(key, holder)
			if ok {
				released.add(key, holder)
			}
			return ok && !again, err
		}}
	}},
	{"a second Release frees the key of a holder in between", []rule{releaseInBetween}, func(m *memory.Backing) backing.Backing {
		return variant{Backing: m, release: func(ctx context.Context, key, holder string) (bool, error) {
			ok, err := m.Release(ctx, key, holder)
			if h := holderOf(m, key); ok && h != "" {
				_, err = m.Release(ctx, key, h)
			}
			return ok, err
		}}
	}},
	{"Release looks first and deletes then", []rule{releaseInBetween}, func(m *memory.Backing) backing.Backing {
		var n atomic.Int64
		return variant{Backing: m, release: func(ctx context.Context, key, holder string) (bool, error) {
			if ctx.Err() != nil || holderOf(m, key) != holder {
				return m.Release(ctx, key, holder)
			}
			time.Sleep(time.Duration(1+4*(n.Add(1)%4)) * aMoment)
			_, _ = m.Release(ctx, key, holderOf(m, key))
			return true, nil
		}}
	}},
}

// embedding inherits all of a store, its method Abilities too, but for one operation.
type embedding struct{ *memory.Backing }

func (e embedding) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	return holderOf(e.Backing, c.Key) == c.Holder, ctx.Err()
}
