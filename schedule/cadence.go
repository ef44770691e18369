package schedule

import "time"

// Spaced recurs without end, with a delay of d after each run: a slow run moves
// all later ones. See [Fixed] for a steady beat.
func Spaced(d time.Duration) Schedule {
	d = atLeastZero(d)
	return Schedule{step: func([]cell, input) (time.Duration, bool) { return d, true }}
}

// Fixed recurs without end, at whole multiples of d counted from the first
// step, however long the runs take. After a run that overran its beat the next
// starts at once; beats that were missed are not made up for, so runs never pile up.
func Fixed(d time.Duration) Schedule {
	d = atLeastZero(d)
	// n: 1 once started; a: the first step; b: when the last run was due to start.
	return Schedule{cells: 1, step: func(st []cell, in input) (time.Duration, bool) {
		c := &st[0]
		if c.n == 0 {
			*c = cell{n: 1, a: in.now, b: plus(in.now, d)}
			return d, true
		}
		if in.now > plus(c.b, d) {
			c.b = in.now
			return 0, true
		}
		wait := untilBoundary(c.a, in.now, d)
		c.b = plus(in.now, wait)
		return wait, true
	}}
}

// Windowed divides time from the first step on into windows of length d and
// recurs without end, each time at the start of the next window. Unlike with
// [Fixed], a run that overran still waits for the next boundary. A d of 0 or less
// means no delay.
func Windowed(d time.Duration) Schedule {
	d = atLeastZero(d)
	// n: 1 once started; a: the first step.
	return Schedule{cells: 1, step: func(st []cell, in input) (time.Duration, bool) {
		c := &st[0]
		if c.n == 0 {
			*c = cell{n: 1, a: in.now}
		}
		return untilBoundary(c.a, in.now, d), true
	}}
}

// untilBoundary is the time from now to the next of the moments start + k*d. On
// such a moment it is d: the run of that moment has just been.
func untilBoundary(start, now, d time.Duration) time.Duration {
	if d == 0 {
		return 0
	}
	return d - since(start, now)%d
}
