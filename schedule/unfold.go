package schedule

import "time"

// Unfold recurs as next says, which keeps a state of the caller's own: next is given
// the state, initial at the first step, and the step, whose Delay is 0. It returns the
// next state, the delay, and whether another run follows; if not, next is not called
// again in this run.
//
// next must be a pure function, safe for concurrent use. Each run has its own copy of
// the state. If the state is a pointer, or holds one, all runs share what it points to,
// so let next return a changed copy instead. [Schedule.Delays] and
// [Schedule.ToRetryPolicy] call next for runs that never happen, with a nil Err. A nil
// next makes [Stop].
//
// Inside [Schedule.AndThen], Attempt and Elapsed count from when this part began.
// [Schedule.ResetAfter] goes back to initial.
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

// own is the state in c of a stage that two times are not enough for. It is allocated
// once, when the stage begins, and starts as a copy of initial.
func own[S any](c *cell, initial S) *S {
	state, begun := c.own.(*S)
	if !begun {
		state = new(S)
		*state = initial
		c.own = state
	}
	return state
}
