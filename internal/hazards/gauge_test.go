package hazards_test

import (
	"context"
	"sync"
	"testing"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis"
)

// gauge is a backing that knows whose leases are being refreshed.
type gauge struct {
	*redis.Backing
	refresher *redis.Backing // by which they are

	mu        sync.Mutex
	flying    map[string]int // holders, and how many leases are refreshed together with theirs
	refreshes int
	early     int // how many let go while they were being refreshed
}

func newGauge(b, refresher *redis.Backing) *gauge {
	return &gauge{Backing: b, refresher: refresher, flying: map[string]int{}}
}

func (g *gauge) Abilities() backing.Abilities {
	return backing.Abilities{Of: g, Queue: g.Backing, Passer: g, Batcher: g, Releaser: g}
}

func (g *gauge) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	defer g.fly(c)()
	return g.refresher.Refresh(ctx, c)
}

func (g *gauge) RefreshAll(ctx context.Context, claims []backing.Claim) []backing.Refreshed {
	defer g.fly(claims...)()
	return g.refresher.RefreshAll(ctx, claims)
}

func (g *gauge) Release(ctx context.Context, key, holder string) (bool, error) {
	g.letGo(holder)
	return g.Backing.Release(ctx, key, holder)
}

func (g *gauge) ReleaseClaim(ctx context.Context, c backing.Claim) (backing.Released, error) {
	g.letGo(c.Holder)
	return g.Backing.ReleaseClaim(ctx, c)
}

func (g *gauge) Pass(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
	g.letGo(from.Holder)
	return g.Backing.Pass(ctx, from, next, yield)
}

// fly notes a refresh until the function that it returns is called.
func (g *gauge) fly(claims ...backing.Claim) (land func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refreshes += len(claims)
	for _, c := range claims {
		g.flying[c.Holder] = len(claims)
	}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, c := range claims {
			delete(g.flying, c.Holder)
		}
	}
}

func (g *gauge) letGo(holder string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.flying[holder] > 0 {
		g.early++
	}
}

// inFlight waits until somebody's lease is being refreshed, with so many
// together at least, and returns the holder.
func (g *gauge) inFlight(t *testing.T, together int) (holder string) {
	t.Helper()
	eventually(t, func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		for who, n := range g.flying {
			if n >= together {
				holder = who
				return true
			}
		}
		return false
	}, "a refresh of %d leases", together)
	return holder
}

// counted is how many leases were refreshed, and how many let go too early.
func (g *gauge) counted() (refreshes, early int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refreshes, g.early
}
