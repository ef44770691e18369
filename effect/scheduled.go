package effect

import (
	"context"
	"time"

	"github.com/effectlock/effectlock/schedule"
)

// Forever runs an effect again and again, without a pause, until a run fails. It fails with
// that failure, and drops all values. It starts no run once its context has ended, so
// a loop of effects that ignore their context ends too. To pause between runs, or to end
// with success, use [Repeat] or [Scheduled].
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
// It succeeds when the schedule ends, and fails with the first failure of a run. It stops
// waiting when its context ends, and starts no run after that. Each call of the resulting
// effect starts the schedule from its beginning.
//
// [Repeat] runs before it waits: with schedule.Recurs(3) it runs four times, Scheduled
// three times.
//
// Scheduled(s)(job) runs an Effect[Void] on a schedule. For an effect with a value use
// [With], which yields the value of the last run, or fails with a *[NoValueError] if the
// schedule ends before the first run.
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
