package schedule

import "time"

// Unfold recurs as next decides. At each step next is given the state, which is initial
// at the first step, and the step, whose Delay is 0. It returns the next state, the
// delay, and whether another run follows. Once it has returned false, it is not called
// again in that run.
//
// next must be a pure function, safe for concurrent use. Each run has its own state,
// which starts as a copy of initial. If that is or holds a pointer, a map or a slice,
// all runs share what it refers to: next must return a changed copy instead of changing
// it. [Schedule.Delays] and [Schedule.ToRetryPolicy] call next for runs that never
// happen, with a nil Err. A nil next makes [Stop].
//
// Inside [Schedule.AndThen], Attempt and Elapsed count from when this part began. A
// restart by [Schedule.ResetAfter] begins with initial again.
func Unfold[S any](initial S, next func(S, Step) (S, time.Duration, bool)) Schedule {
	if next == nil {
		return Stop()
	}
	// n: 1 once it has ended.
	return Schedule{cells: 1, step: func(st []cell, in input) (pause, bool) {
		c := &st[0]
		if c.n == 1 {
			return pause{}, false
		}
		state := own(c, initial)
		changed, delay, ok := next(*state, in.step)
		*state = changed
		if !ok {
			c.n = 1
		}
		return pause{delay: atLeastZero(delay)}, ok
	}}.counted()
}

// own returns the state in c of a stage that needs more than a count and two times. It is
// allocated once, when the stage begins, as a copy of initial.
func own[S any](c *cell, initial S) *S {
	state, begun := c.own.(*S)
	if !begun {
		state = new(S)
		*state = initial
		c.own = state
	}
	return state
}
