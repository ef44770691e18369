package mutex

import (
	"context"
	"sync"
	"time"
)

// heldContext is the context of work under a lock: it ends when the caller's
// does or when the lock is lost, and FromContext finds the lock in it.
//
// It is context.WithCancelCause, made only when somebody first looks: much work
// is over before that, and then the lock costs four allocations less, and no
// entry in the list of the parent's children.
type heldContext struct {
	parent context.Context
	lock   *KeepAlive

	mu     sync.Mutex
	real   context.Context // once it is needed, all questions go to it
	cancel context.CancelCauseFunc
	over   bool // before there was a real one
}

// end ends the context. A cause that is nil tells that the work is over.
func (c *heldContext) end(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real == nil && cause == nil {
		c.over = true
		return
	}
	c.needed()
	c.cancel(cause)
}

func (c *heldContext) resolve() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.needed()
	return c.real
}

func (c *heldContext) needed() {
	if c.real != nil {
		return
	}
	c.real, c.cancel = context.WithCancelCause(c.parent)
	if c.over {
		c.cancel(nil)
	}
}

func (c *heldContext) untouched() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.real == nil && !c.over
}

// Done and Err look at the clock as well: if the machine stood still, the deadline may
// have passed, and the timer that should end the context not have run yet. A context
// that the work derives from this one ends only when that timer has run.
func (c *heldContext) Done() <-chan struct{} {
	_ = c.lock.lease.lossBy(time.Now())
	return c.resolve().Done()
}

func (c *heldContext) Err() error {
	_ = c.lock.lease.lossBy(time.Now())
	if c.untouched() && c.parent.Err() == nil {
		return nil
	}
	return c.resolve().Err()
}

func (c *heldContext) Deadline() (time.Time, bool) { return c.parent.Deadline() }

// Value asks the real context, once there is a need for it, because the context
// package finds there what a child must be tied to, and the cause of the end.
func (c *heldContext) Value(key any) any {
	if key == (keepAliveKey{}) {
		return c.lock
	}
	if held, ok := key.(holdOf); ok && held.lock == c.lock.lease.m.waitQueue {
		return c.lock
	}
	if c.untouched() {
		return c.parent.Value(key)
	}
	return c.resolve().Value(key)
}
