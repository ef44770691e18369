package redis

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// grace is how long a command may still answer after its context has ended.
const grace = 100 * time.Millisecond

// call runs a command such that its caller hears soon after the context ends.
//
// go-redis looks at the context before a command and between its own attempts,
// but a read that has begun ends with a reply or with the client's ReadTimeout:
// 3 s by default, and cancellation does not shorten it whatever the options. So
// the command runs on a goroutine of its own, which ends by those timeouts; no
// new attempt begins once the context has ended. The reply often is on its way
// already and tells the caller what otherwise it would have to find out:
// knowing beats guessing, so it is given a short grace.
//
// A grant that arrives too late is NOT undone here. Only the caller knows if it
// has asked again under the same holder id, and whether that attempt succeeded:
// undoing the first would free a lock that is in use.
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
		value, err := command(ctx)
		replies <- reply{value, classify(err)}
	}()
	select {
	case r := <-replies:
		return r.value, blame(ctx, r.err)
	case <-ctx.Done():
	}
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case r := <-replies:
		return r.value, blame(ctx, r.err)
	case <-late.C:
		return none, fmt.Errorf("redis: no reply within %v of the context's end: %w", grace, ctx.Err())
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
