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

// reply is what a command came back with.
type reply[A any] struct {
	value A
	err   error
}

// call runs a command such that its caller hears soon after the context ends.
//
// go-redis looks at the context before a command and between its own attempts,
// but a read that has begun ends with a reply or with the client's ReadTimeout:
// 3 s by default, and cancellation does not shorten it whatever the options. So
// the command runs on a goroutine of its own, which ends by those timeouts; no
// new attempt begins once the context has ended. After a cancellation the reply
// often is on its way already, and tells the caller what otherwise it would have
// to find out: knowing beats guessing, so it is given a short grace. After a
// deadline it gets next to none: the caller has given it all the time there was.
//
// left, if not nil, is called when the caller is answered before the command.
func call[A any](ctx context.Context, command func(context.Context) (A, error), left func(<-chan reply[A])) (A, error) {
	var none A
	if err := ctx.Err(); err != nil {
		return none, err
	}
	replies := make(chan reply[A], 1)
	go func() {
		value, err := command(ctx)
		replies <- reply[A]{value, classify(err)}
	}()
	select {
	case r := <-replies:
		return r.value, blame(ctx, r.err)
	case <-ctx.Done():
	}
	patience := grace
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		patience = lastCall
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case r := <-replies:
		return r.value, blame(ctx, r.err)
	case <-late.C:
		if left != nil {
			left(replies)
		}
		return none, fmt.Errorf("redis: no reply before the context ended: %w", ctx.Err())
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
