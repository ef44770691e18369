package effect

import (
	"context"
	"sync"
	"time"

	"github.com/effectlock/effectlock/internal/failures"
)

// withTimeout is context.WithTimeout for work that mostly ends at once: the
// timer, and its place among the parent's children, are made only when somebody
// first waits for the end. A lock in memory has three such contexts and looks at
// none: context.WithTimeout made it allocate 43 times instead of 29.
//
// The price: of several ends that came before anybody looked, the one that
// shows is not the first, but the parent's, then the cancellation, then the deadline.
func withTimeout(parent context.Context, d time.Duration) *deadlineContext {
	return &deadlineContext{parent: parent, deadline: time.Now().Add(d)}
}

// withTimeoutAlone is withTimeout with the values of parent, but not its end.
func withTimeoutAlone(parent context.Context, d time.Duration) *deadlineContext {
	return &deadlineContext{parent: parent, alone: true, deadline: time.Now().Add(d)}
}

type deadlineContext struct {
	parent   context.Context
	alone    bool
	deadline time.Time

	mu       sync.Mutex
	real     context.Context // once it is needed, all questions go to it
	end      context.CancelFunc
	canceled bool
	late     error // the last failure that noteLate has noted
}

func (c *deadlineContext) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.canceled = true
	if c.end != nil {
		c.end()
	}
}

func (c *deadlineContext) resolve() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real != nil {
		return c.real
	}
	parent := c.parent
	if c.alone {
		parent = context.WithoutCancel(parent)
	}
	if c.canceled {
		c.real, c.end = context.WithCancel(parent)
		c.end()
	} else {
		c.real, c.end = context.WithDeadline(parent, c.deadline)
	}
	return c.real
}

func (c *deadlineContext) Done() <-chan struct{} { return c.resolve().Done() }

func (c *deadlineContext) Err() error {
	if c.untouched() && (c.alone || c.parent.Err() == nil) && time.Now().Before(c.deadline) {
		return nil
	}
	return c.resolve().Err()
}

func (c *deadlineContext) untouched() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.real == nil && !c.canceled
}

func (c *deadlineContext) Deadline() (time.Time, bool) {
	if earlier, ok := c.parent.Deadline(); ok && !c.alone && earlier.Before(c.deadline) {
		return earlier, true
	}
	return c.deadline, true
}

type deadlineKey struct{}

// noteLate notes, in each Timeout around ctx, the failure of a finalizer whose work had
// yielded its value. Without that, a Timeout could not distinguish such a failure from
// that of work which reports its cancellation in words of its own. The last failure is
// enough: an effect that fails with it has done nothing since.
func noteLate(ctx context.Context, failed error) {
	c, ok := ctx.Value(deadlineKey{}).(*deadlineContext)
	if !ok {
		return
	}
	c.mu.Lock()
	c.late = failed
	c.mu.Unlock()
	noteLate(c.parent, failed)
}

// isLate reports whether err came only after the work had yielded its value.
func (c *deadlineContext) isLate(err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.late != nil && failures.Is(err, c.late)
}

// Value asks the real context, once there is one, because the context package
// finds there what a child must be tied to.
func (c *deadlineContext) Value(key any) any {
	if key == (deadlineKey{}) {
		if c.alone { // failures inside a finalizer do not concern the Timeouts around it
			return nil
		}
		return c
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real != nil {
		return c.real.Value(key)
	}
	if c.alone {
		return context.WithoutCancel(c.parent).Value(key) // which hides the parent's cancellation
	}
	return c.parent.Value(key)
}
