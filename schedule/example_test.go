package schedule_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/IBM/fp-go/v2/retry"

	"github.com/effectlock/effectlock/schedule"
)

func Example() {
	policy := schedule.Exponential(100 * time.Millisecond).CapDelay(time.Second).UpTo(4 * time.Second)
	fmt.Println(policy.Delays(10))
	// Output: [100ms 200ms 400ms 800ms 1s 1s 1s]
}

func ExampleSchedule_Jittered() {
	policy := schedule.Spaced(time.Second).Jittered()
	for _, delay := range policy.Delays(100) {
		if delay < 800*time.Millisecond || delay > 1200*time.Millisecond {
			fmt.Println("out of range:", delay)
		}
	}
	fmt.Println("all between 80 % and 120 %")
	// Output: all between 80 % and 120 %
}

func ExampleSchedule_Intersect() {
	fiveTimes := schedule.Linear(time.Second).Intersect(schedule.Recurs(5))
	fmt.Println(fiveTimes.Delays(10))
	// Output: [1s 2s 3s 4s 5s]
}

func ExampleSchedule_Union() {
	// The delays grow, but never beyond those of a steady schedule.
	policy := schedule.Exponential(time.Second).Union(schedule.Spaced(5 * time.Second))
	fmt.Println(policy.Delays(5))
	// Output: [1s 2s 4s 5s 5s]
}

func ExampleSchedule_AndThen() {
	// Retry twice at once, then once a minute.
	policy := schedule.Recurs(2).AndThen(schedule.Spaced(time.Minute))
	fmt.Println(policy.Delays(4))
	// Output: [0s 0s 1m0s 1m0s]
}

func ExampleSchedule_Tap() {
	policy := schedule.Exponential(time.Second).Tap(func(s schedule.Step) {
		fmt.Printf("attempt %d failed: %v; next in %v\n", s.Attempt, s.Err, s.Delay)
	})
	run := policy.Driver()
	now := time.Now()
	for range 2 {
		delay, _ := run.Next(now, errors.New("connection refused"))
		now = now.Add(delay)
	}
	// Output:
	// attempt 1 failed: connection refused; next in 1s
	// attempt 2 failed: connection refused; next in 2s
}

func ExampleSchedule_Driver() {
	run := schedule.Fixed(time.Minute).Driver()
	now := time.Now()
	for _, took := range []time.Duration{0, 10 * time.Second, 90 * time.Second, 0} {
		now = now.Add(took)
		delay, _ := run.Next(now, nil)
		fmt.Printf("ran for %v, next in %v\n", took, delay)
		now = now.Add(delay)
	}
	// Output:
	// ran for 0s, next in 1m0s
	// ran for 10s, next in 50s
	// ran for 1m30s, next in 0s
	// ran for 0s, next in 30s
}

func ExampleSchedule_WhileError() {
	var errBusy = errors.New("busy")
	policy := schedule.Spaced(time.Second).WhileError(func(err error) bool { return errors.Is(err, errBusy) })
	run := policy.Driver()
	fmt.Println(run.Next(time.Now(), fmt.Errorf("server: %w", errBusy)))
	fmt.Println(run.Next(time.Now(), errors.New("no such table")))
	// Output:
	// 1s true
	// 0s false
}

func ExampleSchedule_ResetAfter() {
	policy := schedule.Exponential(time.Second).ResetAfter(time.Minute)
	run := policy.Driver()
	now := time.Now()
	for _, ranWell := range []time.Duration{0, 0, 0, time.Hour, 0} {
		now = now.Add(ranWell)
		delay, _ := run.Next(now, errors.New("lost connection"))
		fmt.Println(delay)
		now = now.Add(delay)
	}
	// Output:
	// 1s
	// 2s
	// 4s
	// 1s
	// 2s
}

func ExampleAt() {
	// The Next method of a schedule that github.com/robfig/cron/v3 parses from "0 3 * * *" is
	// such a function.
	nightly := func(now time.Time) time.Time {
		night := time.Date(now.Year(), now.Month(), now.Day(), 3, 0, 0, 0, now.Location())
		if !night.After(now) {
			night = night.AddDate(0, 0, 1)
		}
		return night
	}
	run := schedule.At(nightly).Driver()
	now := time.Date(2025, time.May, 1, 22, 0, 0, 0, time.UTC)
	for _, took := range []time.Duration{0, 10 * time.Minute, 30 * time.Hour} {
		now = now.Add(took)
		delay, _ := run.Next(now, nil)
		fmt.Printf("ran for %v, next in %v\n", took, delay)
		now = now.Add(delay)
	}
	// Output:
	// ran for 0s, next in 5h0m0s
	// ran for 10m0s, next in 23h50m0s
	// ran for 30h0m0s, next in 18h0m0s
}

func ExampleFromDelays() {
	policy := schedule.FromDelays(100*time.Millisecond, time.Second, 10*time.Second)
	fmt.Println(policy.Delays(10))
	// Output: [100ms 1s 10s]
}

func ExampleUnfold() {
	// The state is the time left for waiting, nine seconds in all.
	policy := schedule.Unfold(9*time.Second, func(left time.Duration, step schedule.Step) (time.Duration, time.Duration, bool) {
		delay := min(left, time.Duration(step.Attempt)*time.Second)
		return left - delay, delay, left > 0
	})
	fmt.Println(policy.Delays(10))
	// Output: [1s 2s 3s 3s]
}

type busyError struct{ retryAfter time.Duration }

func (*busyError) Error() string { return "busy" }

func ExampleSchedule_DelayedBy() {
	policy := schedule.Exponential(time.Second).DelayedBy(func(s schedule.Step) time.Duration {
		if busy, ok := errors.AsType[*busyError](s.Err); ok {
			return max(s.Delay, busy.retryAfter)
		}
		return s.Delay
	})
	run := policy.Driver()
	fmt.Println(run.Next(time.Now(), &busyError{retryAfter: 30 * time.Second}))
	fmt.Println(run.Next(time.Now(), errors.New("connection refused")))
	// Output:
	// 30s true
	// 2s true
}

func ExampleFromRetryPolicy() {
	policy := retry.Monoid.Concat(retry.LimitRetries(3), retry.ExponentialBackoff(time.Second))
	fmt.Println(schedule.FromRetryPolicy(policy).CapDelay(3 * time.Second).Delays(10))
	// Output: [1s 2s 3s]
}

func ExampleSchedule_ToRetryPolicy() {
	policy := schedule.Fibonacci(time.Second).ToRetryPolicy()
	status := retry.DefaultRetryStatus
	for range 5 {
		status = retry.ApplyPolicy(policy, status)
	}
	fmt.Println(status.IterNumber, status.CumulativeDelay)
	// Output: 5 12s
}

func ExampleElapsed() {
	run := schedule.Elapsed().Tap(func(s schedule.Step) { fmt.Println("retried for", s.Elapsed) }).Driver()
	now := time.Now()
	run.Next(now, nil)
	run.Next(now.Add(3*time.Second), nil)
	// Output:
	// retried for 0s
	// retried for 3s
}

func ExampleExponentialFactor() {
	fmt.Println(schedule.ExponentialFactor(time.Second, 1.5).Delays(4))
	// Output: [1s 1.5s 2.25s 3.375s]
}

func ExampleForever() {
	// Without end, and with delays of its own.
	policy := schedule.Forever().DelayedBy(func(s schedule.Step) time.Duration {
		return time.Duration(s.Attempt) * time.Second
	})
	fmt.Println(policy.Delays(3))
	// Output: [1s 2s 3s]
}

func ExampleOnce() {
	again := schedule.Once().Delayed(func(time.Duration) time.Duration { return time.Minute })
	fmt.Println(again.Delays(10))
	// Output: [1m0s]
}

func ExampleStop() {
	fmt.Println(len(schedule.Stop().Delays(10)))
	// Output: 0
}

func ExampleSchedule_Delayed() {
	halved := schedule.Exponential(time.Second).Delayed(func(d time.Duration) time.Duration { return d / 2 })
	fmt.Println(halved.Delays(4))
	// Output: [500ms 1s 2s 4s]
}

func ExampleSchedule_IsZero() {
	var config struct{ Retries schedule.Schedule }
	fmt.Println(config.Retries.IsZero()) // not set: use a default

	config.Retries = schedule.Stop()
	fmt.Println(config.Retries.IsZero())
	// Output:
	// true
	// false
}

func ExampleSchedule_JitteredBetween() {
	policy := schedule.Spaced(time.Second).JitteredBetween(0, 1) // "full jitter"
	for _, delay := range policy.Delays(100) {
		if delay < 0 || delay > time.Second {
			fmt.Println("out of range:", delay)
		}
	}
	fmt.Println("all between 0 and 1 s")
	// Output: all between 0 and 1 s
}

func ExampleWindowed() {
	run := schedule.Windowed(time.Minute).Driver()
	now := time.Now()
	for _, took := range []time.Duration{0, 10 * time.Second, 90 * time.Second} {
		now = now.Add(took)
		delay, _ := run.Next(now, nil)
		fmt.Printf("ran for %v, next in %v\n", took, delay)
		now = now.Add(delay)
	}
	// Output:
	// ran for 0s, next in 1m0s
	// ran for 10s, next in 50s
	// ran for 1m30s, next in 30s
}

// A policy with a maximum of everything: the delay, the number of retries, and the time.
func ExampleSchedule() {
	patient := func(longest time.Duration) schedule.Schedule {
		return schedule.Exponential(time.Second).
			CapDelay(longest).
			Intersect(schedule.Recurs(8)).
			UpTo(30 * time.Second)
	}
	fmt.Println(patient(10 * time.Second).Delays(10))
	// Output: [1s 2s 4s 8s 10s 10s]
}
