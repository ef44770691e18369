package effect

import (
	"context"
	"sync"
	"time"

	"github.com/effectlock/effectlock/internal/failures"
)

// deadlineContext is context.WithTimeout for work that usually ends at once: it makes the
// timer, and the entry among the parent's children, when something first waits for its end.
// A lock in memory has three such contexts and waits for none of them: with
// context.WithTimeout it allocated 43 times instead of 29.
//
// The price is paid when several ends come before anything has asked. The context then
// reports the end of the parent, else the cancellation, else the deadline, even if another
// of them came first.
type deadlineContext struct {
	parent   context.Context
	detached bool // ignores the end of parent
	deadline time.Time

	mu         sync.Mutex
	real       context.Context // once it exists, every method uses it
	cancelReal context.CancelFunc
	canceled   bool

	// finalizerErr is the last failure that recordFinalizerErr recorded.
	finalizerErr error
}

func withTimeout(parent context.Context, d time.Duration) *deadlineContext {
	return &deadlineContext{parent: parent, deadline: time.Now().Add(d)}
}

// withDetachedTimeout returns a context that has the values of parent but does not end with
// it.
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

// Value asks the real context once there is one, so that the context package finds the
// parent of a new child there.
func (c *deadlineContext) Value(key any) any {
	if key == (deadlineKey{}) {
		if c.detached { // a failure inside a finalizer is no concern of a Timeout around it
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
		return context.WithoutCancel(c.parent).Value(key) // hides the parent's cancellation
	}
	return c.parent.Value(key)
}

// recordFinalizerErr records, in each Timeout around ctx, the failure of a finalizer whose
// work had succeeded. Without the record, a Timeout could not distinguish it from the error
// of work that reports its cancellation in its own way. The last failure is enough: an
// effect that fails with it has done nothing since.
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

// isFinalizerErr reports whether err is a failure of a finalizer whose work had succeeded.
func (c *deadlineContext) isFinalizerErr(err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.finalizerErr != nil && failures.Is(err, c.finalizerErr)
}
