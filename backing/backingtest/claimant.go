package backingtest

import (
	"sync"
	"time"

	"github.com/effectlock/effectlock/backing"
)

// A claimant waits for a key.
type claimant struct {
	backing.Claim
	askAgain time.Duration
	woken    chan struct{} // of capacity 1; holds a value when the claimant should ask again
}

func (c *claimant) waiter() backing.Waiter {
	return backing.Waiter{Claim: c.Claim, Wake: func() {
		select {
		case c.woken <- struct{}{}:
		default: // it has not asked since the last wake-up
		}
	}}
}

// A crowd is all claimants of a case, whichever goroutine made them.
type crowd struct {
	mu        sync.Mutex
	all       []*claimant
	unoffered string // why the case has nothing to show
}

func (p *probe) claimant(key, holder string, ttl time.Duration) *claimant {
	return p.claimantOf(backing.Claim{Key: key, Holder: holder, TTL: ttl})
}

func (p *probe) claimantOf(claim backing.Claim) *claimant {
	c := &claimant{Claim: claim, woken: make(chan struct{}, 1)}
	p.crowd.mu.Lock()
	defer p.crowd.mu.Unlock()
	p.crowd.all = append(p.crowd.all, c)
	return c
}
