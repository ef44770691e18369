// Package schedule decides when something runs again: after a failure (a retry) or
// after a success (a repeat).
//
//	schedule.Exponential(100 * time.Millisecond).Jittered().CapDelay(5 * time.Second).UpTo(time.Minute)
//	schedule.Spaced(time.Second).Intersect(schedule.Recurs(5))
//	schedule.At(nightly.Next) // github.com/robfig/cron/v3
//
// A [Schedule] is an immutable value. After each run it says whether another one follows,
// and how long to wait before it. Build one from a constructor and refine it with methods,
// which read from left to right. Use [Schedule.Intersect] for "as long as both agree",
// [Schedule.Union] for "as long as either wants", and [Schedule.AndThen] for "first this,
// then that". [Unfold] makes a schedule of a function of your own.
//
// Nothing in this package sleeps, reads a clock or starts a goroutine: a [Driver] is given
// the time and returns a delay. So a test of a schedule compares lists of delays: see
// [Schedule.Delays].
//
// # Rules
//
// These hold for every schedule:
//
//   - A delay is never negative. One that an argument or a caller's function makes negative
//     becomes 0.
//   - Delays that grow stop at [math.MaxInt64] nanoseconds (292 years); they never wrap
//     around.
//   - No constructor and no method panics, whatever its arguments. A method that is
//     given a nil function returns the schedule as it was; a constructor returns [Stop].
//     A panic of a caller's function passes through.
//   - Time starts with the first step, which comes after the first run: a schedule that
//     is limited by time does not count the first run.
//
// # Source
//
// The semantics are those of Schedule in version 3 of the TypeScript library Effect
// (https://effect.website/docs/scheduling/introduction/), which took them from ZIO.
// The differences:
//
//   - A schedule has no output besides the delay. [Schedule.Tap] shows what Effect's
//     outputs are mostly used for: the number of runs, and the elapsed time. It is not
//     called by the step that ends the schedule.
//   - [Schedule.ResetAfter] counts from the last step, as Effect documents
//     ("inactivity"). Effect's code counts from the first step, and so restarts a busy
//     schedule as well.
//   - [Schedule.WhileError] tests only failures; a repeat has none and goes on.
//   - Replacing a delay of [Fixed], [Windowed] or [At] moves a run away from its beat,
//     and adds none. In Effect a run that starts early is repeated on its beat.
//   - [Windowed] of 0 or less does not wait; Effect divides by zero.
//   - A [Driver] whose schedule has ended stays ended.
//   - [At] is Effect's cron without the parser, [Schedule.DelayedBy] its modifyDelay.
//     [Unfold] returns delays; Effect's does not wait. CapDelay comes from fp-go.
package schedule
