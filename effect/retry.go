package effect

import (
	"context"
	"time"

	"github.com/effectlock/effectlock/internal/failures"
	"github.com/effectlock/effectlock/schedule"
)

// Retry runs an effect again after each failure, as long as the schedule goes
// on, and then fails with the last failure. It does not retry a defect.
//
// It stops at once when its context ends; the error then satisfies errors.Is
// with the context's error. If that was between two runs, errors.As finds the last
// failure too. If it was during a run, the error is what that run failed with. The
// message shows the failure before it too, but neither errors.Is nor errors.As finds
// that: the last run may have made up for it.
//
// If the last run returned a value beside its error, so does Retry.
func Retry[A any](s schedule.Schedule) Operator[A, A] {
	return RetryWhile[A](s, func(error) bool { return true })
}

// RetryWhile is [Retry] for the failures that retryable accepts. If the error of a
// run joins several failures, see [Failures], retryable is asked about each, until
// it refuses one.
func RetryWhile[A any](s schedule.Schedule, retryable func(error) bool) Operator[A, A] {
	return func(eff Effect[A]) Effect[A] {
		return func(ctx context.Context) (A, error) {
			var driver *schedule.Driver // made for the first failure: most effects succeed at once
			var previous error
			for {
				a, err := eff(ctx)
				if err == nil {
					return a, nil
				}
				if ctx.Err() != nil {
					return a, withPrevious(Interrupted(ctx, err), previous)
				}
				if _, ok := asDefect(err); ok || !failures.All(err, retryable) {
					return a, err
				}
				if driver == nil {
					driver = s.Driver()
				}
				delay, ok := driver.Next(time.Now(), err)
				if !ok {
					return a, err
				}
				if _, ended := Sleep(delay)(ctx); ended != nil {
					return a, Interrupted(ctx, err)
				}
				previous = err
			}
		}
	}
}

// withPrevious is the error of a run that followed one which had failed with previous.
func withPrevious(err, previous error) error {
	if previous == nil || failures.Is(err, previous) {
		return err
	}
	return &retriedError{err, previous}
}

// retriedError shows the failure of the run before, which is history. err is nil if it
// was no more than the end of a context.
type retriedError struct{ err, previous error }

func (e *retriedError) Error() string {
	if e.err == nil {
		return e.previous.Error()
	}
	return e.err.Error() + " (before that: " + e.previous.Error() + ")"
}

func (e *retriedError) Unwrap() error { return e.err }

// Repeat runs an effect once, and again after each success as long as the schedule goes
// on. It yields the last value, and fails with the first failure. When its context ends
// between two runs, the value of the last one is returned beside the error.
func Repeat[A any](s schedule.Schedule) Operator[A, A] {
	return func(eff Effect[A]) Effect[A] {
		return func(ctx context.Context) (A, error) {
			driver := s.Driver()
			for {
				a, err := eff(ctx)
				if err != nil {
					return a, err
				}
				delay, ok := driver.Next(time.Now(), nil)
				if !ok {
					return a, nil
				}
				if _, err := Sleep(delay)(ctx); err != nil {
					return a, err
				}
			}
		}
	}
}
