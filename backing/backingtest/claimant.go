package backingtest

import (
	"sync"
	"time"

	"github.com/effectlock/effectlock/backing"
)

// A claimant waits for a key, and remembers what it was told.
type claimant struct {
	backing.Claim
	askAgain time.Duration
	news     chan struct{} // of capacity 1: look at what is below

	mu    sync.Mutex
	told  []hearing
	retry bool
}

// A hearing is one call of Granted.
type hearing struct {
	backing.Handed
	at time.Time
}

func (c *claimant) waiter() backing.Waiter {
	return backing.Waiter{
		Claim: c.Claim,
		Granted: func(h backing.Handed) {
			at := time.Now()
			c.mu.Lock()
			defer c.mu.Unlock()
			c.told = append(c.told, hearing{h, at})
			c.wake()
		},
		Retry: func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.retry = true
			c.wake()
		},
	}
}

func (c *claimant) wake() {
	select {
	case c.news <- struct{}{}:
	default: // it has not looked yet, and will see this too
	}
}

func (c *claimant) last() (h hearing, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.told) == 0 {
		return hearing{}, false
	}
	return c.told[len(c.told)-1], true
}

func (c *claimant) times() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.told)
}

// toRetry reports whether Retry was called since toRetry was asked last.
func (c *claimant) toRetry() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() { c.retry = false }()
	return c.retry
}

// A crowd is all claimants of a case, on whichever goroutine they were made.
type crowd struct {
	mu        sync.Mutex
	all       []*claimant
	unoffered string // why the case has nothing to show
}

func (p *probe) claimant(key, holder string, ttl time.Duration) *claimant {
	c := &claimant{
		Claim: backing.Claim{Key: key, Holder: holder, TTL: ttl},
		news:  make(chan struct{}, 1),
	}
	p.crowd.mu.Lock()
	defer p.crowd.mu.Unlock()
	p.crowd.all = append(p.crowd.all, c)
	return c
}
