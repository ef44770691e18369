package effect

import (
	"context"
	"time"

	"github.com/effectlock/effectlock/internal/failures"
	"github.com/effectlock/effectlock/schedule"
)

// Retry runs an effect again after each failure, waiting as the schedule says. When the
// schedule ends, Retry fails with the last failure. It does not retry a defect.
//
// Retry starts no further run once its context has ended, and stops waiting at once. The
// error then satisfies errors.Is with the context's error. If the context ended between
// two runs, errors.As also finds the last failure. If it ended during a run, the error is
// that of the run; the message also shows the failure before it, but errors.Is and
// errors.As do not find that failure, because the last run may have made up for it.
//
// If the last run returned a value beside its error, so does Retry.
func Retry[A any](s schedule.Schedule) Operator[A, A] {
	return RetryWhile[A](s, func(error) bool { return true })
}

// RetryWhile is [Retry] for the failures that retryable accepts. If the error of a run
// joins several [Failures], retryable must accept each of them.
func RetryWhile[A any](s schedule.Schedule, retryable func(error) bool) Operator[A, A] {
	return func(eff Effect[A]) Effect[A] {
		return func(ctx context.Context) (A, error) {
			var driver *schedule.Driver // made at the first failure: most effects succeed at once
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

// withPrevious returns the error of a run that came after a run failed with previous.
func withPrevious(err, previous error) error {
	if previous == nil || failures.Is(err, previous) {
		return err
	}
	return &retriedError{err, previous}
}

// retriedError shows the failure of the run before, without unwrapping to it. err is nil if
// it said only that a context had ended.
type retriedError struct{ err, previous error }

func (e *retriedError) Error() string {
	if e.err == nil {
		return e.previous.Error()
	}
	return e.err.Error() + " (before that: " + e.previous.Error() + ")"
}

func (e *retriedError) Unwrap() error { return e.err }

// Repeat runs an effect once, and again after each success, waiting as the schedule says.
// It yields the last value when the schedule ends, and fails with the first failure. If its
// context ends between two runs, the value of the last run is returned beside the error.
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
