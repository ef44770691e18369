// Package schedule describes when something is done again: after a failure (a
// retry) or after a success (a repeat).
//
// A [Schedule] is an immutable value. It says after each run whether another
// one follows, and how long to wait before it. Build one from a constructor and
// refine it with methods, which read from left to right:
//
//	schedule.Exponential(100 * time.Millisecond).Jittered().CapDelay(5 * time.Second).UpTo(time.Minute)
//
// Use [Schedule.Intersect] for "as long as both agree", [Schedule.Union] for
// "as long as either wants", and [Schedule.AndThen] for "first this, then that".
//
// Nothing in this package sleeps, reads a clock or starts a goroutine: a
// [Driver] is given the time, and returns a delay. So a schedule is tested
// as a list of delays, see [Schedule.Delays].
//
// # Rules
//
// These hold for every schedule:
//
//   - A delay is never negative. A negative one, whether it comes from a negative
//     argument or from a caller's function, becomes 0.
//   - Delays that grow reach [math.MaxInt64] nanoseconds (292 years) and stay
//     there; they never wrap around.
//   - No constructor and no method panics, whatever its arguments. A nil function
//     leaves the schedule as it was. A panic of a caller's function passes through.
//   - Time starts with the first step, which comes after the first run: a schedule
//     that is limited by time does not count the first run.
//
// # Source
//
// The semantics are those of Schedule in version 3 of the TypeScript library
// Effect (https://effect.website/docs/scheduling/introduction/), which took them
// from ZIO. What differs, and why:
//
//   - Durations count nanoseconds instead of milliseconds.
//   - A schedule has no output besides the delay. [Schedule.Tap] shows what
//     Effect's outputs are mostly used for: the number of runs, and elapsed time.
//   - [Schedule.ResetAfter] counts from the last step, which is what Effect
//     documents ("inactivity"). Effect's code counts from the first step, and so
//     restarts a busy schedule as well.
//   - [Schedule.Tap] is not called by the step that ends the schedule, unlike
//     Effect's tapOutput.
//   - [Schedule.WhileError] tests only failures; a repeat, which has none, goes on.
//   - To replace a delay of [Fixed] or [Windowed] moves a run away from its beat, and
//     adds none. In Effect a run that starts early is repeated on its beat.
//   - [Windowed] of 0 or less does not wait; Effect divides by zero.
//   - A [Driver] whose schedule has ended stays ended. Effect's steps again when it is
//     called again.
//   - CapDelay is not in Effect 3; it is fp-go's.
package schedule
