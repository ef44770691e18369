package pipeline

import (
	"context"
	"sync/atomic"
	"time"
)

// batch is what commands share that are sent together: a context that ends when those
// of all their callers have. Until then the client may repeat them all, also for callers
// that have left.
type batch struct {
	cancel  context.CancelFunc
	waiting atomic.Int32 // callers that have not left
}

func newBatch(all []*Command) (context.Context, *batch) {
	b := &batch{}
	ctx := context.Background()
	if latest, ok := latestDeadline(all); ok {
		ctx, b.cancel = context.WithDeadline(ctx, latest)
	} else {
		ctx, b.cancel = context.WithCancel(ctx)
	}
	b.waiting.Store(int32(len(all))) //nolint:gosec // at most maxBatch
	for _, c := range all {
		c.batch.Store(b)
	}
	return ctx, b
}

// latestDeadline is when the contexts of all commands have ended, if that is known.
func latestDeadline(all []*Command) (latest time.Time, ok bool) {
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

// leave is called when a caller stops waiting.
func (b *batch) leave() {
	if b != nil && b.waiting.Add(-1) == 0 {
		b.cancel()
	}
}

// soloContext is the context of a command that the loop sends alone: its caller's, but
// done only when the caller has seen that. go-redis asks every context for its Done,
// and the caller's may be one that is costly to ask.
type soloContext struct{ c *Command }

func (s soloContext) Deadline() (time.Time, bool) { return s.c.ctx.Deadline() }
func (s soloContext) Err() error                  { return s.c.ctx.Err() }
func (s soloContext) Value(key any) any           { return s.c.ctx.Value(key) }

func (s soloContext) Done() <-chan struct{} {
	if s.c.attempt.connecting() && s.c.unhooked != nil {
		s.c.unhooked.Store(isUnhooked())
	}
	return s.c.gone
}
