package redis

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

const (
	// grace is how long a command may still answer after its context was cancelled.
	grace = 100 * time.Millisecond
	// lastCall is the same after a deadline, which may be the socket's as well.
	lastCall = 2 * time.Millisecond
)

// graceAfter is how long a command is waited for after its context's end.
//
// go-redis looks at the context before a command and between its own attempts,
// but a read that has begun ends with a reply or with the client's ReadTimeout:
// 5 s by default, and cancellation does not shorten it whatever the options. So
// every command runs on a goroutine that its sender can leave behind; it ends by
// those timeouts, and no new attempt begins once the context has ended. After a
// cancellation the reply often is on its way already, and tells the sender what
// otherwise it would have to find out: knowing beats guessing, so it is given a
// short grace. After a deadline it gets next to none: the sender has given it all
// the time there was.
func graceAfter(ctx context.Context) time.Duration {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return lastCall
	}
	return grace
}

// send puts a command on a lane and waits for its answer, but not much longer
// than its context lasts. The command must not be used afterwards.
//
// leaves, if not nil, is called before the sender leaves a command behind that
// may still be applied, and says what is to happen with its answer. If the answer
// comes at that moment after all, it is told both.
func (l *lane) send(ctx context.Context, c *command, leaves func() (late func(string, error))) (string, error) {
	if err := ctx.Err(); err != nil {
		c.free()
		return "", err
	}
	c.ctx = ctx
	l.put(c)
	if c.landsSoon() {
		return c.taken()
	}
	select {
	case <-c.done:
		return c.taken()
	case <-ctx.Done():
	}
	close(c.gone) // no further attempt is to begin
	if c.state.CompareAndSwap(waits, withdrawn) {
		return "", unsent(ctx)
	}
	timer := time.NewTimer(graceAfter(ctx))
	defer timer.Stop()
	select {
	case <-c.done:
		return c.taken()
	case <-timer.C:
	}
	if leaves != nil {
		c.late = leaves()
	}
	flight := c.flight.Load()
	if !c.state.CompareAndSwap(flies, left) {
		late := c.late
		<-c.done
		value, err := c.taken()
		if late != nil {
			late(value, err)
		}
		return value, err
	}
	flight.leave()
	return "", noReply(ctx)
}

// landsSoon waits a moment for the command, as most answers come in a fraction of
// it, without a look at its context: of a context with a deadline that nobody
// looks at, the mutex makes half the allocations of a lock less.
func (c *command) landsSoon() bool {
	soon := overdue
	if deadline, ok := c.ctx.Deadline(); ok {
		soon = min(soon, time.Until(deadline))
	}
	if c.patience == nil {
		c.patience = time.NewTimer(soon)
	} else {
		c.patience.Reset(soon)
	}
	select {
	case <-c.done:
		c.patience.Stop()
		return true
	case <-c.patience.C:
		return false
	}
}

// taken ends a command that has landed.
func (c *command) taken() (string, error) {
	ctx, value, err := c.ctx, c.value, c.err
	select {
	case <-c.gone: // which can be closed only once
	default:
		c.free()
	}
	return value, blame(ctx, err)
}

func unsent(ctx context.Context) error {
	return fmt.Errorf("redis: not sent before the context ended: %w", ctx.Err())
}

func noReply(ctx context.Context) error {
	return fmt.Errorf("redis: no reply before the context ended: %w", ctx.Err())
}

// call runs what is no script, such that its caller hears soon after the context ends.
func call[A any](ctx context.Context, command func(context.Context) (A, error)) (A, error) {
	type reply struct {
		value A
		err   error
	}
	var none A
	if err := ctx.Err(); err != nil {
		return none, err
	}
	replies := make(chan reply, 1)
	go func() {
		var value A
		err := func() (err error) {
			defer recovered(&err)
			value, err = command(ctx)
			return err
		}()
		replies <- reply{value, classify(err)}
	}()
	select {
	case r := <-replies:
		return r.value, blame(ctx, r.err)
	case <-ctx.Done():
	}
	late := time.NewTimer(graceAfter(ctx))
	defer late.Stop()
	select {
	case r := <-replies:
		return r.value, blame(ctx, r.err)
	case <-late.C:
		return none, noReply(ctx)
	}
}

// blame adds the context's error to what the command failed with because of it.
// With ContextTimeoutEnabled that is the timeout of a socket, whose clock may
// be a moment ahead of the context's.
func blame(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if deadline, ok := ctx.Deadline(); ok && errors.Is(err, os.ErrDeadlineExceeded) && !time.Now().Before(deadline) {
		<-ctx.Done()
	}
	if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
		return fmt.Errorf("%w: %w", ended, err)
	}
	return err
}
