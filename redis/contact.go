package redis

import (
	"sync"
	"time"
)

const (
	// lateCredentials is for how long credentials may be refused and come right by
	// themselves: a password is changed on the server a moment before the client has it.
	lateCredentials = time.Second
	// forgetRefusals is after how long without an answer earlier refusals say nothing any more.
	forgetRefusals = 10 * time.Second
)

// contact is what the answers of the servers so far say about the client's settings.
type contact struct {
	mu       sync.Mutex
	answered bool      // at all
	refused  time.Time // when a streak of refused credentials began; zero if there is none
	last     time.Time // of that streak
}

// accept notes an answer that the server gives to those it knows alone.
func (c *contact) accept() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered, c.refused = true, time.Time{}
}

// refuse notes that the server has refused the client's credentials, and reports whether
// it has done so for too long to come right by itself.
func (c *contact) refuse(now time.Time) (stays bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused.IsZero() || now.Sub(c.last) > forgetRefusals {
		c.refused = now
	}
	c.answered, c.last = true, now
	return now.Sub(c.refused) > lateCredentials
}

// isMade reports whether a server has answered at all.
func (c *contact) isMade() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answered
}
