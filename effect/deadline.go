package effect

import (
	"context"
	"sync"
	"time"

	"github.com/effectlock/effectlock/internal/failures"
)

// deadlineContext is context.WithTimeout for work that mostly ends at once: the timer,
// and the entry among the parent's children, are made when the end is first waited for.
// A lock in memory has three such contexts, and waits for none: context.WithTimeout
// made it allocate 43 times instead of 29.
//
// The price: of several ends that came before the first look, the one that shows is not
// the first, but the parent's, then the cancellation, then the deadline.
type deadlineContext struct {
	parent   context.Context
	detached bool // the end of parent is ignored
	deadline time.Time

	mu         sync.Mutex
	real       context.Context // answers every question once it exists
	cancelReal context.CancelFunc
	canceled   bool

	// finalizerErr is the last failure that recordFinalizerErr has recorded.
	finalizerErr error
}

func withTimeout(parent context.Context, d time.Duration) *deadlineContext {
	return &deadlineContext{parent: parent, deadline: time.Now().Add(d)}
}

// withDetachedTimeout has the values of parent, but does not end with it.
func withDetachedTimeout(parent context.Context, d time.Duration) *deadlineContext {
	return &deadlineContext{parent: parent, detached: true, deadline: time.Now().Add(d)}
}

func (c *deadlineContext) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.canceled = true
	if c.cancelReal != nil {
		c.cancelReal()
	}
}

func (c *deadlineContext) resolve() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real != nil {
		return c.real
	}
	parent := c.parent
	if c.detached {
		parent = context.WithoutCancel(parent)
	}
	if c.canceled {
		c.real, c.cancelReal = context.WithCancel(parent)
		c.cancelReal()
	} else {
		c.real, c.cancelReal = context.WithDeadline(parent, c.deadline)
	}
	return c.real
}

func (c *deadlineContext) Done() <-chan struct{} { return c.resolve().Done() }

func (c *deadlineContext) Err() error {
	c.mu.Lock()
	resolved := c.real != nil || c.canceled
	c.mu.Unlock()
	if !resolved && (c.detached || c.parent.Err() == nil) && time.Now().Before(c.deadline) {
		return nil
	}
	return c.resolve().Err()
}

func (c *deadlineContext) Deadline() (time.Time, bool) {
	if earlier, ok := c.parent.Deadline(); ok && !c.detached && earlier.Before(c.deadline) {
		return earlier, true
	}
	return c.deadline, true
}

type deadlineKey struct{}

// Value asks the real context, once there is one: the context package finds there what
// it must tie a child to.
func (c *deadlineContext) Value(key any) any {
	if key == (deadlineKey{}) {
		if c.detached { // failures inside a finalizer do not concern the Timeouts around it
			return nil
		}
		return c
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.real != nil:
		return c.real.Value(key)
	case c.detached:
		return context.WithoutCancel(c.parent).Value(key) // which hides the parent's cancellation
	}
	return c.parent.Value(key)
}

// recordFinalizerErr records, in each Timeout around ctx, the failure of a finalizer whose
// work had yielded its value. Otherwise a Timeout could not distinguish it from that of
// work which reports its cancellation by an error of its own. The last failure is enough:
// an effect that fails with it has done nothing since.
func recordFinalizerErr(ctx context.Context, failed error) {
	c, ok := ctx.Value(deadlineKey{}).(*deadlineContext)
	if !ok {
		return
	}
	c.mu.Lock()
	c.finalizerErr = failed
	c.mu.Unlock()
	recordFinalizerErr(c.parent, failed)
}

// isFinalizerErr reports whether err came after the work had yielded its value.
func (c *deadlineContext) isFinalizerErr(err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.finalizerErr != nil && failures.Is(err, c.finalizerErr)
}
