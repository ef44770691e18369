package effect

import (
	"context"
	"time"

	"github.com/effectlock/effectlock/schedule"
)

// Forever runs an effect again and again, without a pause, until a run fails. It ends with
// that failure, and drops the values. Once its context has ended it starts no run, so it
// also ends if the effect ignores its context. To pause between the runs, or to end with
// success, use [Repeat] or [Scheduled].
func Forever[A any](e Effect[A]) Effect[Never] {
	return func(ctx context.Context) (Never, error) {
		for ctx.Err() == nil {
			if _, err := e(ctx); err != nil {
				return nil, err
			}
		}
		return nil, Interrupted(ctx, nil)
	}
}

// Scheduled waits before each run, the first included, for as long as the schedule says.
// It succeeds when the schedule ends, fails with the first failure of a run, and does not
// start a run once its context has ended. The schedule takes its first step when the
// effect is called. [Repeat] runs first and then waits: with schedule.Recurs(3) it runs
// four times, Scheduled three times.
//
// Scheduled(s)(job) is a job that runs on a schedule. For an effect with a value use
// [With], which yields the value of the last run; a schedule that ends before the first
// run then gives a *[NoValueError].
func Scheduled(s schedule.Schedule) Aspect {
	return func(e Effect[Void]) Effect[Void] {
		return func(ctx context.Context) (none Void, err error) {
			driver := s.Driver()
			for {
				delay, ok := driver.Next(time.Now(), nil)
				if !ok {
					return none, nil
				}
				if _, err := Sleep(delay)(ctx); err != nil {
					return none, err
				}
				if _, err := e(ctx); err != nil {
					return none, err
				}
			}
		}
	}
}
