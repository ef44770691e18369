package effect

import (
	"context"
	"time"

	"github.com/effectlock/effectlock/schedule"
)

// Retry runs an effect again after each failure, as long as the schedule goes
// on, and then fails with the last failure. It does not retry a defect.
//
// It stops at once when its context ends; the error then satisfies errors.Is
// with the context's error, and errors.As finds the last failure.
func Retry[A any](s schedule.Schedule) Operator[A, A] {
	return RetryWhile[A](s, func(error) bool { return true })
}

// RetryWhile is [Retry] for the failures that retryable accepts.
func RetryWhile[A any](s schedule.Schedule, retryable func(error) bool) Operator[A, A] {
	return func(eff Effect[A]) Effect[A] {
		return func(ctx context.Context) (none A, _ error) {
			var driver *schedule.Driver // most effects succeed at once
			var last error
			for {
				a, err := eff(ctx)
				if err == nil {
					return a, nil
				}
				if ctx.Err() != nil {
					return none, Interrupted(ctx, lastFailure(ctx, last, err))
				}
				if _, ok := asDefect(err); ok || !retryable(err) {
					return none, err
				}
				if driver == nil {
					driver = s.Driver()
				}
				delay, ok := driver.Next(time.Now(), err)
				if !ok {
					return none, err
				}
				if sleep(ctx, delay) != nil {
					return none, Interrupted(ctx, err)
				}
				last = err
			}
		}
	}
}

// lastFailure is what a run failed with as its context ended, or the failure
// before, if the run says no more than that the context ended.
func lastFailure(ctx context.Context, last, err error) error {
	if same(err, ctx.Err()) || same(err, context.Cause(ctx)) {
		return last
	}
	return join(last, err)
}

// Repeat runs an effect once, and again after each success as long as the
// schedule goes on. It yields the last value, and fails with the first failure.
func Repeat[A any](s schedule.Schedule) Operator[A, A] {
	return func(eff Effect[A]) Effect[A] {
		return func(ctx context.Context) (none A, _ error) {
			driver := s.Driver()
			for {
				a, err := eff(ctx)
				if err != nil {
					return none, err
				}
				delay, ok := driver.Next(time.Now(), nil)
				if !ok {
					return a, nil
				}
				if err := sleep(ctx, delay); err != nil {
					return none, err
				}
			}
		}
	}
}
