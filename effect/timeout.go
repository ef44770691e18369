package effect

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// TimeoutError is the failure of an effect that [Timeout] has cancelled.
//
// It is not a context.DeadlineExceeded, not even if Err is one in the words of
// some client: that stands for the caller's own deadline. errors.Is and errors.As
// find everything else that Err holds.
type TimeoutError struct {
	// Duration is the time that the effect was given.
	Duration time.Duration
	// Err is what the effect failed with when it was cancelled, nil if that
	// was no more than the end of its context.
	Err error
}

// Tag returns "TimeoutError".
func (*TimeoutError) Tag() string { return "TimeoutError" }

func (e *TimeoutError) Error() string {
	msg := fmt.Sprintf("timed out after %v", e.Duration)
	if e.Err != nil {
		msg += ": " + e.Err.Error()
	}
	return msg
}

// Is finds target in Err, but for context.DeadlineExceeded.
func (e *TimeoutError) Is(target error) bool {
	return target != context.DeadlineExceeded && errors.Is(e.Err, target)
}

// As finds target in Err.
func (e *TimeoutError) As(target any) bool { return errors.As(e.Err, target) }

// Timeout cancels an effect that has not ended after d, waits for it, and
// fails with a *[TimeoutError]. The effect runs in the calling goroutine; one
// that ignores its context is waited for, and has timed out all the same: its
// value is dropped, so an effect that acquires something must put it in a Scope.
// A d of zero or less has passed when the effect starts.
//
// If the caller's context has ended as well, that is what Timeout reports.
func Timeout[A any](d time.Duration) Operator[A, A] {
	return func(eff Effect[A]) Effect[A] {
		return func(ctx context.Context) (none A, _ error) {
			timed := withTimeout(ctx, d)
			defer timed.cancel()
			a, err := eff(timed)
			if timed.Err() == nil {
				return a, err
			}
			if _, ok := asDefect(err); ok {
				return none, err
			}
			if ctx.Err() != nil {
				// The effect may have seen d pass before the caller's context ended.
				if err != nil && isInterruption(timed, err) {
					err = Interrupted(ctx, beyondInterruption(err))
				}
				return a, err
			}
			return none, &TimeoutError{Duration: d, Err: beyondInterruption(err)}
		}
	}
}

// beyondInterruption is what err says apart from the end of the context of a Timeout.
func beyondInterruption(err error) error {
	if err == context.DeadlineExceeded {
		return nil
	}
	if interrupted, ok := err.(*interruptedError); ok && interrupted.cause == context.DeadlineExceeded {
		return interrupted.last
	}
	return err
}
