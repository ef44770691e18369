package pipeline

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// batch is the context of commands that are sent together, or of one that is sent alone. It
// ends when the contexts of all their callers have ended. Until then the client may repeat
// them all, even for callers that have left.
//
// It does not use the context package, whose contexts allocate and call Done of the
// caller's context, which may be costly.
type batch struct {
	values  context.Context // the context of the caller; the background if there are several
	only    *attempt        // the command; nil if there are several
	direct  bool            // the caller sends the command itself
	latest  time.Time       // the latest of the callers' deadlines
	limited bool            // all callers have a deadline
	ended   chan struct{}   // closed when the contexts of all callers have ended
	waiting atomic.Int32    // the number of callers whose contexts have not ended

	unhooked *atomic.Bool // receives whether the client has no hooks; nil if it is not examined
}

// newBatch returns a batch that lasts at least until its leave method is called.
func newBatch() *batch {
	b := &batch{values: context.Background(), limited: true, ended: make(chan struct{})}
	b.waiting.Store(1)
	return b
}

// batchOfOne is newBatch for a command that is sent alone. It allocates nothing.
func (c *Command) batchOfOne() *batch {
	b := &c.alone
	b.values, b.only, b.limited = c.ctx, &c.attempt, true
	b.direct, b.latest, b.unhooked = false, time.Time{}, nil
	b.waiting.Store(0)
	return b
}

// join is called for each command, before it is in flight.
func (b *batch) join(c *Command) {
	c.batch = b
	b.waiting.Add(1)
	deadline, ok := c.ctx.Deadline()
	b.limited = b.limited && ok
	if deadline.After(b.latest) {
		b.latest = deadline
	}
}

// leave is called when a caller's context has ended.
func (b *batch) leave() {
	if b.waiting.Add(-1) == 0 {
		close(b.ended)
	}
}

// run sends the commands and completes them, and reports whether the server replied. If the
// server does not have a script, its source is sent.
func (b *batch) run(client goredis.UniversalClient, all []*Command) (replied bool) {
	for len(all) > 0 {
		failed := b.exec(client, all)
		unknown := all[:0]
		for _, c := range all {
			c.reply, c.err = c.attempt.outcome(failed)
			if c.err != nil && goredis.HasErrorPrefix(c.err, "NOSCRIPT") && c.useEval() {
				unknown = append(unknown, c)
				continue
			}
			replied = c.err == nil || isReply(c.err)
			c.complete()
		}
		all = unknown
	}
	return replied
}

// exec sends the commands and reads their replies. It returns the error of doing so.
func (b *batch) exec(client goredis.UniversalClient, all []*Command) (err error) {
	defer recovered(&err)
	for _, c := range all {
		c.attempt.begin(b, c.args, c.script.Idempotent, b.only != nil)
	}
	if len(all) == 1 {
		return process(client, b, all[0])
	}
	cmds := make([]goredis.Cmder, len(all))
	for i, c := range all {
		cmds[i] = &c.attempt
	}
	pipe := client.Pipeline()
	_ = pipe.BatchProcess(b, cmds...) // only queues them
	_, err = pipe.Exec(b)
	return err
}

// On the direct path a command must not wait. go-redis calls Done once before it takes a
// free connection, and again only before it waits: for a connection, for a new one, or for
// its next attempt. By then the context has ended. (A new connection is made all the same,
// for later.) So no timer has to be set.

var errWouldWait = fmt.Errorf("redis: no connection is free at once: %w", context.Canceled)

var canceled = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

func (b *batch) Done() <-chan struct{} {
	if b.only != nil {
		first := b.only.asked.Add(1) == 1
		switch {
		case b.direct && !first:
			return canceled.Done()
		case first && b.unhooked != nil:
			b.unhooked.Store(isUnhooked())
		}
	}
	return b.ended
}

func (b *batch) Err() error {
	if b.direct && b.only.asked.Load() > 1 {
		return errWouldWait
	}
	select {
	case <-b.ended:
		return context.Canceled
	default:
		return b.values.Err()
	}
}

func (b *batch) Deadline() (time.Time, bool) { return b.latest, b.limited }
func (b *batch) Value(key any) any           { return b.values.Value(key) }
