package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"
)

// graceAfter returns how long to wait for a reply after the end of ctx. After a
// cancellation the reply is often on its way already, and saves the caller a clean-up.
// After a deadline there is hardly any grace: the reply has had all the time the caller
// could give. But if nothing has been written yet, the client gets a moment to give up. If
// it is waiting for a connection it does so at once, and then the command was certainly not
// sent.
func graceAfter(ctx context.Context, written bool) time.Duration {
	switch {
	case !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return 100 * time.Millisecond
	case written:
		return 2 * time.Millisecond
	default:
		return 50 * time.Millisecond
	}
}

// Call runs a command that is not a script on a goroutine of its own, so that its caller
// returns soon after ctx ends. go-redis checks the context before a command and between its
// own attempts, but once a read has begun, it ends only with a reply or with the client's
// ReadTimeout.
func Call[A any](ctx context.Context, f func(context.Context) (A, error)) (A, error) {
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
			value, err = f(ctx)
			return err
		}()
		replies <- reply{value, err}
	}()
	ended, late := ctx.Done(), (<-chan time.Time)(nil)
	for {
		select {
		case r := <-replies:
			return r.value, WithContextErr(ctx, r.err)
		case <-ended:
			ended, late = nil, time.After(graceAfter(ctx, true))
		case <-late:
			return none, noReply(ctx)
		}
	}
}

// recovered turns a panic of the client, or of one of its hooks, into an error. go-redis
// panics on some replies that no Redis gives, and no caller could recover a panic on our
// goroutine.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("redis: the client panicked: %v\n\n%s", r, debug.Stack())
	}
}

// WithContextErr adds the context's error to an error that it caused. With
// ContextTimeoutEnabled, that is a timeout of the socket, whose clock may be slightly ahead
// of the context's.
func WithContextErr(ctx context.Context, err error) error {
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

func notSent(ctx context.Context) error {
	return fmt.Errorf("redis: not sent before the context ended: %w", ctx.Err())
}

func noReply(ctx context.Context) error {
	return &noReplyError{fmt.Errorf("redis: no reply before the context ended: %w", ctx.Err())}
}
