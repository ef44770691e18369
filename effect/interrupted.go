package effect

import (
	"context"
	"errors"
	"reflect"

	"github.com/effectlock/effectlock/internal/failures"
)

// Interrupted is the error of an effect that stops because ctx, which must
// have ended, has ended. previous, which may be nil, is what went wrong before.
//
// The error satisfies errors.Is with ctx.Err() and context.Cause(ctx), and
// errors.As finds what previous holds.
func Interrupted(ctx context.Context, previous error) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if same(previous, err) || same(previous, cause) { // the cause is all that fp-go's operators return
		previous = nil
	}
	switch {
	case previous != nil && errors.Is(previous, err) && failures.Is(previous, cause):
		return previous
	case previous == nil && same(err, cause):
		return err
	}
	return &interruptedError{err: err, cause: cause, previous: previous}
}

type interruptedError struct{ err, cause, previous error }

func (e *interruptedError) Error() string {
	msg := e.err.Error()
	if !same(e.cause, e.err) {
		msg += ": " + e.cause.Error()
	}
	if e.previous != nil {
		msg += " (before that: " + e.previous.Error() + ")"
	}
	return msg
}

func (e *interruptedError) Unwrap() []error {
	errs := []error{e.err, e.cause}
	if e.previous != nil {
		errs = append(errs, e.previous)
	}
	return errs
}

// same is a == b for errors of any type: to compare two slices would panic.
func same(a, b error) bool {
	return a != nil && b != nil && reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}

// isInterruption reports whether err stands for the end of ctx.
func isInterruption(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, ctx.Err()) || failures.Is(err, context.Cause(ctx)))
}
