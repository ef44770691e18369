package backingtest

import (
	"context"
	"sync/atomic"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

// Mistakes of a store that remembers releases.
var brokenReleasers = []brokenBacking{
	{"late requests are not refused", []rule{lateIsRefused, enqueueLate, freedBefore}, func(m *memory.Backing) backing.Backing {
		return forgetful(m)
	}},
	{"late requests are refused only if the release found something", []rule{lateIsRefused}, func(m *memory.Backing) backing.Backing {
		var freed record
		a, fresh := &able{Backing: m}, attempts()
		known := func(c backing.Claim) backing.Claim {
			if freed.has(c.Key, c.Holder) || c.Attempt != "" {
				return c
			}
			return fresh(c)
		}
		a.tryAcquire = func(ctx context.Context, c backing.Claim) (grantOption, error) { return m.TryAcquire(ctx, known(c)) }
		a.release = func(ctx context.Context, key, holder string) (bool, error) {
			ok, err := m.Release(ctx, key, holder)
			if ok {
				freed.add(key, holder)
			}
			return ok, err
		}
		a.releaseClaim = func(ctx context.Context, c backing.Claim) (backing.Released, error) {
			found, err := m.ReleaseClaim(ctx, c)
			if found != backing.NotHeld {
				freed.add(c.Key, c.Holder)
			}
			return found, err
		}
		return a
	}},
	{"ReleaseClaim reports the opposite of what it found", []rule{releaseReports, foundNothing, sameButAttempt},
		reporting(func(found backing.Released) backing.Released { return backing.FreedNow - found })},
	{"ReleaseClaim reports that everything was freed now", []rule{foundNothing, freedBefore, releaseReports, releaseApart, passReleases},
		reporting(func(backing.Released) backing.Released { return backing.FreedNow })},
	{"ReleaseClaim does not know what was freed earlier", []rule{freedBefore, releaseApart, passReleases},
		reporting(func(found backing.Released) backing.Released {
			if found == backing.FreedEarlier {
				return backing.NotHeld
			}
			return found
		})},
	{"ReleaseClaim takes it for a release that it was asked before", []rule{foundNothing}, func(m *memory.Backing) backing.Backing {
		var asked record
		return &able{Backing: m, releaseClaim: func(ctx context.Context, c backing.Claim) (backing.Released, error) {
			found, err := m.ReleaseClaim(ctx, c)
			if found == backing.NotHeld && err == nil && asked.has(c.Key, c.Holder+" "+c.Attempt) {
				found = backing.FreedEarlier
			}
			asked.add(c.Key, c.Holder+" "+c.Attempt)
			return found, err
		}}
	}},
	{"ReleaseClaim frees what a later acquisition has", []rule{releaseApart}, func(m *memory.Backing) backing.Backing {
		var before record
		return &able{Backing: m, releaseClaim: func(ctx context.Context, c backing.Claim) (backing.Released, error) {
			if c.Attempt != "" && before.has(c.Key, c.Holder+" "+c.Attempt) {
				_, _ = m.Release(ctx, c.Key, c.Holder)
			}
			before.add(c.Key, c.Holder+" "+c.Attempt)
			return m.ReleaseClaim(ctx, c)
		}}
	}},
	{"ReleaseClaim ignores an ended context", []rule{endedContext}, func(m *memory.Backing) backing.Backing {
		return &able{Backing: m, releaseClaim: func(ctx context.Context, c backing.Claim) (backing.Released, error) {
			found, _ := m.ReleaseClaim(context.WithoutCancel(ctx), c)
			return found, ctx.Err()
		}}
	}},
	{"abilities come and go", []rule{abilitiesStay}, func(m *memory.Backing) backing.Backing {
		var n atomic.Int64
		return &able{Backing: m, abilities: func(a backing.Abilities) backing.Abilities {
			if n.Add(1)%3 == 0 {
				a.Batcher = nil
			}
			return a
		}}
	}},
}

func reporting(change func(backing.Released) backing.Released) func(*memory.Backing) backing.Backing {
	return func(m *memory.Backing) backing.Backing {
		return &able{Backing: m, releaseClaim: func(ctx context.Context, c backing.Claim) (backing.Released, error) {
			found, err := m.ReleaseClaim(ctx, c)
			return change(found), err
		}}
	}
}
