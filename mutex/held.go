package mutex

import (
	"context"
	"sync"
	"time"
)

// heldContext is the context of work under a lock: it ends when the caller's
// does or when the lock is lost, and FromContext finds the lock in it.
//
// It is a context.WithCancelCause that is made only when it is needed. Much work ends
// before that; the lock then costs four fewer allocations, and no entry in the parent's
// list of children.
type heldContext struct {
	parent context.Context
	lock   *KeepAlive

	mu     sync.Mutex
	real   context.Context // nil until it is needed
	cancel context.CancelCauseFunc
	over   bool // the work has returned, or the lock is lost
}

// end ends the context. cause is nil when the work has returned.
func (c *heldContext) end(cause error) {
	if cause != nil {
		c.context(true)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over = true; c.real != nil {
		c.cancel(cause)
	}
}

// context returns the real context, or the caller's if both say the same. If own is set, it
// always returns the real one.
func (c *heldContext) context(own bool) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real == nil {
		if !own && !c.over {
			return c.parent
		}
		c.real, c.cancel = context.WithCancelCause(c.parent)
		if c.over {
			c.cancel(nil)
		}
	}
	return c.real
}

// Done and Err also check the clock: if the machine was paused, the deadline may have passed
// before the timer that ends the context has run. A context that the work derives from this
// one ends only when that timer has run.
func (c *heldContext) Done() <-chan struct{} {
	_ = c.lock.lease.lossAt(time.Now())
	return c.context(true).Done()
}

func (c *heldContext) Err() error {
	_ = c.lock.lease.lossAt(time.Now())
	return c.context(false).Err()
}

// isOver reports whether the work has returned or lost its lock. Goroutines that it started
// may go on using the values of this context.
func (c *heldContext) isOver() bool {
	_ = c.lock.lease.lossAt(time.Now())
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}

func (c *heldContext) Deadline() (time.Time, bool) { return c.parent.Deadline() }

// Value also serves the context package: through the real context it finds the parent of a
// child, and the cause of the end.
func (c *heldContext) Value(key any) any {
	if key == (keepAliveKey{}) {
		return c.lock
	}
	if held, ok := key.(holdOf); ok && held.lock == c.lock.lease.m.waitQueue {
		return c.lock
	}
	return c.context(false).Value(key)
}
