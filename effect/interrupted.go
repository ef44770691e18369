package effect

import (
	"context"
	"errors"
	"reflect"

	"github.com/effectlock/effectlock/internal/failures"
)

// Interrupted returns the error of an effect that stops because ctx has ended. ctx must
// have ended. previous is what went wrong before, or nil.
//
// The error satisfies errors.Is with ctx.Err() and context.Cause(ctx), and errors.Is and
// errors.As find previous and what it wraps.
func Interrupted(ctx context.Context, previous error) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if same(previous, err) || same(previous, cause) { // fp-go's operators return only the cause
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

// same is a == b without the panic if the errors are of a type that cannot be compared.
func same(a, b error) bool {
	return a != nil && b != nil && reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}

// isInterruption reports whether err stands for the end of ctx.
func isInterruption(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, ctx.Err()) || failures.Is(err, context.Cause(ctx)))
}
