// Package pipeline sends scripts to a Redis server, those of concurrent callers together,
// and returns to each caller in time, whatever the server and the client do.
//
// How a command is sent: Run, in this file, chooses a lane; the caller sends it there by
// itself if it can (direct.go), or else leaves it to the lane's loop (lane.go).
package pipeline

import (
	"context"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// Pipeline sends scripts through a client. It is safe for concurrent use. It keeps nothing
// running but what is under way, for some 20 ms after the last of that.
//
// The client itself may repeat idempotent scripts, and no others.
type Pipeline struct {
	common, bulk lanes
	answered     atomic.Bool // by any server
}

// New returns a pipeline through client.
func New(client goredis.UniversalClient) *Pipeline {
	p := &Pipeline{}
	p.common.init(client)
	p.bulk.init(client)
	return p
}

// Reply is what a script has answered.
type Reply struct {
	Value string

	// Repeated reports that more than one copy of the command was written, and that one
	// which has no reply may yet be applied.
	Repeated bool
}

// Run sends a command and waits for its reply, but not much longer than ctx lasts: at
// most 0.15 s, whatever the client's timeouts. The command must not be used
// afterwards. Errors are the client's own; see also [MayBeApplied].
//
// A command that has got no prompt reply may be sent a second time.
func (p *Pipeline) Run(ctx context.Context, c *Command) (Reply, error) {
	return p.run(ctx, c, &p.common)
}

// RunBulk is Run for scripts that take long, on connections where no others wait behind them.
func (p *Pipeline) RunBulk(ctx context.Context, c *Command) (Reply, error) {
	return p.run(ctx, c, &p.bulk)
}

func (p *Pipeline) run(ctx context.Context, c *Command, among *lanes) (Reply, error) {
	if err := ctx.Err(); err != nil {
		c.free()
		return Reply{}, err
	}
	c.ctx = ctx
	l, client := among.of(c.lock(), p.answered.Load())
	if l.sendDirect(client, c) {
		return c.take()
	}
	reply, err := l.send(c)
	if err == nil && !p.answered.Load() {
		p.answered.Store(true)
	}
	return reply, err
}

// send leaves the command to the loop and waits for it.
func (l *lane) send(c *Command) (Reply, error) {
	ctx := c.ctx
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		<-ctx.Done() // it may be a moment late
	}
	if ctx.Err() != nil { // since the direct path was tried
		err := c.endedInQueue()
		c.free()
		return Reply{}, err
	}
	l.put(c)
	if c.isDoneSoon() {
		return c.take()
	}
	select {
	case <-c.done:
		return c.take()
	case <-ctx.Done():
	}
	close(c.gone) // no further attempt is to begin
	if c.state.CompareAndSwap(queued, cancelled) {
		return Reply{}, c.endedInQueue()
	}
	patience := graceAfter(ctx)
	if !c.attempt.touched.Load() {
		patience = max(patience, notice)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-c.done:
		return c.take()
	case <-timer.C:
	}
	b := c.batch.Load()
	if !c.state.CompareAndSwap(inFlight, abandoned) {
		<-c.done
		return c.take()
	}
	b.leave()
	return Reply{}, noReply(ctx)
}

// isDoneSoon waits a moment for the command, as most replies come in a fraction of it,
// without a look at its context: of a context with a deadline that nobody looks at, the
// mutex makes half the allocations of a lock less.
func (c *Command) isDoneSoon() bool {
	soon := stallAfter
	if deadline, ok := c.ctx.Deadline(); ok {
		soon = min(soon, time.Until(deadline))
	}
	if c.soon == nil {
		c.soon = time.NewTimer(soon)
	} else {
		c.soon.Reset(soon)
	}
	select {
	case <-c.done:
		c.soon.Stop()
		return true
	case <-c.soon.C:
		return false
	}
}

// setOutcome notes how the command went.
func (c *Command) setOutcome(reply string, err error) {
	if err != nil && (c.attempt.isUnanswered() || c.attempt.isWithHook() && !isReply(err)) {
		err = &noReplyError{err}
	}
	c.reply, c.err = reply, err
}

// take ends a command that is done.
func (c *Command) take() (Reply, error) {
	ctx, reply, err := c.ctx, Reply{c.reply, c.attempt.lost}, c.err
	select {
	case <-c.gone: // which can be closed only once
	default:
		c.free()
	}
	if err != nil {
		return Reply{}, WithContextErr(ctx, err)
	}
	return reply, nil
}

// endedInQueue is the error of a command whose context ended before the loop sent it.
func (c *Command) endedInQueue() error {
	if c.attempt.lost { // on the direct path
		return noReply(c.ctx)
	}
	return notSent(c.ctx)
}
