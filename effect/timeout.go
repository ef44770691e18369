package effect

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// TimeoutError is the failure of an effect that [Timeout] has cancelled.
//
// It is not a context.DeadlineExceeded, even if Err wraps one: that error stands for the
// caller's own deadline. errors.Is and errors.As find everything else in Err.
type TimeoutError struct {
	// Duration is the time that the effect was given.
	Duration time.Duration
	// Err is what the effect failed with when it was cancelled. It is nil if the effect
	// reported only the end of its context.
	Err error
}

// Tag returns "TimeoutError".
func (*TimeoutError) Tag() string { return "TimeoutError" }

func (e *TimeoutError) Error() string { return timeoutText("timed out", e.Duration, e.Err) }

func timeoutText(what string, after time.Duration, err error) string {
	msg := fmt.Sprintf("%s after %v", what, after)
	if err != nil {
		msg += ": " + err.Error()
	}
	return msg
}

// Is finds target in Err, except context.DeadlineExceeded.
func (e *TimeoutError) Is(target error) bool {
	return target != context.DeadlineExceeded && errors.Is(e.Err, target)
}

// As finds target in Err.
func (e *TimeoutError) As(target any) bool { return errors.As(e.Err, target) }

// Timeout cancels an effect that has not ended after d, and waits until it ends. The effect
// runs in the calling goroutine. If d is zero or negative, the effect starts with a context
// that has already ended.
//
// If the effect ends with a value, however late, Timeout yields it. If it ends with an
// error after d, Timeout fails with a *[TimeoutError] that holds the error. So an
// acquisition that times out has acquired nothing.
//
// Three kinds of error after d do not count as a timeout. A [Defect] is returned as it is.
// So is the failure of a finalizer, if the work before it succeeded and nothing in
// the error stands for the end of the effect's context. If the caller's own context has
// ended as well, Timeout reports that instead, or the effect's own failure.
func Timeout[A any](d time.Duration) Operator[A, A] {
	return func(eff Effect[A]) Effect[A] {
		return func(ctx context.Context) (A, error) {
			timed := withTimeout(ctx, d)
			defer timed.cancel()
			a, err := eff(timed)
			if err == nil || timed.Err() == nil {
				return a, err
			}
			if _, ok := asDefect(err); ok {
				return a, err
			}
			interrupted := isInterruption(timed, err)
			switch {
			case ctx.Err() != nil && interrupted:
				// d may have passed before the caller's context ended: err may report both.
				return a, Interrupted(ctx, withoutDeadline(err))
			case ctx.Err() != nil, !interrupted && timed.isFinalizerErr(err):
				return a, err
			}
			return a, &TimeoutError{Duration: d, Err: withoutDeadline(err)}
		}
	}
}

// withoutDeadline returns what err says besides the end of a context at its deadline, nil
// if it says nothing else.
func withoutDeadline(err error) error {
	switch e := err.(type) { //nolint:errorlint // an error that wraps one of these says more
	case *interruptedError:
		if e.cause == context.DeadlineExceeded {
			return e.previous
		}
	case *retriedError:
		return &retriedError{err: withoutDeadline(e.err), previous: e.previous}
	case interface{ Unwrap() []error }:
		var rest error
		all := Failures(err)
		for _, failure := range all {
			if len(all) > 1 {
				failure = withoutDeadline(failure)
			}
			rest = join(rest, failure)
		}
		return rest
	}
	if err == context.DeadlineExceeded {
		return nil
	}
	return err
}
