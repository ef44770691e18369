package redis

import (
	"context"
	"sync/atomic"
	"time"
)

// flight is what commands share that are sent together: a context that ends
// when those of all have. Until then the client may repeat them all, also for
// senders who have left.
type flight struct {
	cancel  context.CancelFunc
	waiting atomic.Int32 // senders who have not left
}

func newFlight(all []*command) (context.Context, *flight) {
	f := &flight{}
	ctx := context.Background()
	if latest, ok := latestDeadline(all); ok {
		ctx, f.cancel = context.WithDeadline(ctx, latest)
	} else {
		ctx, f.cancel = context.WithCancel(ctx)
	}
	f.waiting.Store(int32(len(all))) //nolint:gosec // at most maxFlight
	for _, c := range all {
		c.flight.Store(f)
	}
	return ctx, f
}

// latestDeadline is when the contexts of all commands have ended, if that is known.
func latestDeadline(all []*command) (latest time.Time, ok bool) {
	for _, c := range all {
		deadline, ok := c.ctx.Deadline()
		if !ok {
			return time.Time{}, false
		}
		if deadline.After(latest) {
			latest = deadline
		}
	}
	return latest, true
}

// leave is called when a sender leaves.
func (f *flight) leave() {
	if f != nil && f.waiting.Add(-1) == 0 {
		f.cancel()
	}
}

// journey is the context of a command that flies alone: its sender's, but that it
// is done when the sender sees that it is. go-redis asks every context for its Done, and the
// sender's may be one that is costly to ask.
type journey struct{ c *command }

func (j journey) Deadline() (time.Time, bool) { return j.c.ctx.Deadline() }
func (j journey) Done() <-chan struct{}       { return j.c.gone }
func (j journey) Err() error                  { return j.c.ctx.Err() }
func (j journey) Value(key any) any           { return j.c.ctx.Value(key) }
