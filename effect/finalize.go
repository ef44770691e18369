package effect

import (
	"context"
	"errors"
	"time"

	"github.com/effectlock/effectlock/internal/failures"
)

// FinalizerTimeout is how long the context of a finalizer lasts, which does not end with
// the context of the work. A finalizer that ignores its context is still waited for. A
// finalizer that fails because its context ended fails with a *[FinalizerTimeoutError]; one
// that succeeds late has succeeded.
const FinalizerTimeout = 5 * time.Second

// FinalizerTimeoutError is the failure of a finalizer that took longer than
// [FinalizerTimeout] and was cancelled.
//
// It is not a context.DeadlineExceeded: that stands for the caller's own deadline,
// which a finalizer outlives. Nor is it a *[TimeoutError], because no [Timeout] made it.
// errors.Is and errors.As find everything else that Err holds.
type FinalizerTimeoutError struct {
	// Duration is the time that the finalizer was given, [FinalizerTimeout].
	Duration time.Duration
	// Err is what the finalizer failed with when it was cancelled, or nil if it
	// reported no more than the end of its context.
	Err error
}

// Tag returns "FinalizerTimeoutError".
func (*FinalizerTimeoutError) Tag() string { return "FinalizerTimeoutError" }

func (e *FinalizerTimeoutError) Error() string {
	return timeoutText("a finalizer was cancelled", e.Duration, e.Err) + "; move slow work out of the finalizer"
}

// Is finds target in Err, except for context.DeadlineExceeded.
func (e *FinalizerTimeoutError) Is(target error) bool {
	return target != context.DeadlineExceeded && errors.Is(e.Err, target)
}

// As finds target in Err.
func (e *FinalizerTimeoutError) As(target any) bool { return errors.As(e.Err, target) }

// Ensuring runs finalizer when the effect ends, however it ends. See [OnExit].
func Ensuring[A any](finalizer Effect[Void]) Operator[A, A] {
	return OnExit(func(Exit[A]) Effect[Void] { return finalizer })
}

// OnExit runs the finalizer that f returns for the exit when the effect ends: with a value,
// an error, a panic, the end of its context or runtime.Goexit.
//
// The finalizer runs in the same goroutine, under a context that has the values of the
// effect's own and lasts for [FinalizerTimeout]. Its error is joined after the effect's
// error, and its panic as a *[Defect]; the effect's value is returned beside the error.
func OnExit[A any](f func(Exit[A]) Effect[Void]) Operator[A, A] {
	return func(eff Effect[A]) Effect[A] {
		return func(ctx context.Context) (A, error) {
			return finalize(ctx, eff, func(exit Exit[A]) error {
				return runFinalizer(ctx, func() Effect[Void] { return f(exit) })
			})
		}
	}
}

// finalize runs eff, and then last exactly once, however eff ends. last must not panic.
func finalize[A any](ctx context.Context, eff Effect[A], last func(Exit[A]) error) (a A, err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		r := recover()
		d := newDefect(r)
		failed := last(exitDefect[A](d))
		switch {
		case r == nil: // runtime.Goexit continues, and no caller is left to receive last's error
		case failed != nil:
			panic(&Defect{Value: d.Value, Stack: d.Stack, Finalizers: join(d.Finalizers, failed)})
		default:
			panic(r)
		}
	}()
	a, err = eff(ctx)
	if isInterruption(ctx, err) {
		err = Interrupted(ctx, err)
	}
	exit := exitOf(ctx, a, err)
	returned = true // not before: the methods of a foreign error may panic
	failed := last(exit)
	if err == nil && failed != nil {
		recordFinalizerErr(ctx, failed)
	}
	return a, join(err, failed)
}

// runFinalizer runs the effect that f returns, and returns its failure, or its panic as
// a *[Defect].
func runFinalizer(ctx context.Context, f func() Effect[Void]) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = newDefect(r)
		}
	}()
	bounded := withDetachedTimeout(ctx, FinalizerTimeout)
	defer bounded.cancel()
	_, err = f()(bounded)
	if err == nil || bounded.Err() == nil {
		return err
	}
	var all error
	for _, failure := range Failures(err) {
		if isInterruption(bounded, failure) {
			failure = &FinalizerTimeoutError{Duration: FinalizerTimeout, Err: withoutDeadline(failure)}
		}
		all = join(all, failure)
	}
	return all
}

// join is errors.Join, but adds no wrapper to a single error, and leaves out a second that
// the first already holds: a keep-alive and the release after it report the same loss.
func join(first, second error) error {
	switch {
	case first == nil:
		return second
	case second == nil || failures.Is(first, second):
		return first
	}
	return errors.Join(first, second)
}
