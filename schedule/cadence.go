package schedule

import "time"

// Spaced recurs without end, with a delay of d after each run: a slow run delays all later
// ones. See [Fixed] for a steady beat.
func Spaced(d time.Duration) Schedule {
	d = atLeastZero(d)
	return Schedule{step: func([]cell, input) (pause, bool) { return pause{delay: d}, true }}
}

// Fixed recurs without end, at whole multiples of d counted from the first
// step, however long the runs take. After a run that overran its beat the next
// starts at once; beats that were missed are not made up for, so runs never pile up.
//
// A method that replaces the delays of Fixed moves each run away from its beat, but
// adds no run. So with [Schedule.Jittered] a run starts up to a fifth of d before or
// after its beat, and with JitteredBetween(0, 1) somewhere between the beat before and
// its own.
func Fixed(d time.Duration) Schedule {
	d = atLeastZero(d)
	// n: 1 once started; a: the first step; b: when the last run was due to start.
	return Schedule{cells: 1, step: func(st []cell, in input) (pause, bool) {
		c := &st[0]
		if c.n == 0 {
			*c = cell{n: 1, a: in.now, b: plus(in.now, d)}
			return pause{delay: d}, true
		}
		// A run that a later stage made late has not overrun.
		if min(in.now, in.due()) > plus(c.b, d) {
			c.b = in.now
			return pause{}, true
		}
		return toNextBeat(c, in, d), true
	}}
}

// Windowed divides time from the first step on into windows of length d and
// recurs without end, each time at the start of the next window. Unlike with
// [Fixed], a run after one that overran still waits for the next boundary. A d of 0 or less
// means no delay. Methods that replace delays move each run away from its own
// boundary, as with Fixed.
func Windowed(d time.Duration) Schedule {
	d = atLeastZero(d)
	// n: 1 once started; a: the first step; b: when the last run was due to start.
	return Schedule{cells: 1, step: func(st []cell, in input) (pause, bool) {
		c := &st[0]
		if c.n == 0 {
			*c = cell{n: 1, a: in.now, b: in.now}
		}
		return toNextBeat(c, in, d), true
	}}
}

// toNextBeat returns the pause until the next of the moments c.a + k*d, and stores that
// moment in c.b. At such a moment the next is d away, because the run that belongs to it
// is over. If that run started early, the moment is still to come, and the pause is
// longer by the lead up to it. Counting from now was rejected: the run would
// be repeated on its own beat.
func toNextBeat(c *cell, in input, d time.Duration) pause {
	from := max(in.now, min(in.due(), c.b))
	p := pause{lead: from - in.now}
	if d > 0 {
		p.delay = d - since(c.a, from)%d
	}
	c.b = plus(from, p.delay)
	return p
}
