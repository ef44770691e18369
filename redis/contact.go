package redis

import (
	"sync"
	"time"
)

const (
	// lateCredentials is how long credentials may be refused before that counts as
	// permanent: a password may be changed on the server a moment before the client has it.
	lateCredentials = time.Second
	// forgetRefusals is how long after a refusal the next one begins a new streak.
	forgetRefusals = 10 * time.Second
)

// contact is what the answers of the servers so far say about the client's settings.
type contact struct {
	mu       sync.Mutex
	answered bool      // whether a server has answered at all
	refused  time.Time // when the current streak of refused credentials began; zero if none
	last     time.Time // when the last refusal of that streak came
}

// accept notes an answer that a server gives only to a client whose credentials it accepts.
func (c *contact) accept() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered, c.refused = true, time.Time{}
}

// refuse notes that the server has refused the client's credentials, and reports whether
// it has done so for longer than lateCredentials.
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
