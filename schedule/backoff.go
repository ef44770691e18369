package schedule

import (
	"math"
	"time"
)

// Exponential recurs without end, with delays of base, 2·base, 4·base and so
// on. Limit it with [Schedule.CapDelay], and spread many clients with
// [Schedule.Jittered].
func Exponential(base time.Duration) Schedule { return ExponentialFactor(base, 2) }

// ExponentialFactor recurs without end; the delay before recurrence n, counted from 0, is
// base·factorⁿ. A delay that comes out negative or not a number is 0; with nothing but such
// delays, the schedule is a busy loop.
func ExponentialFactor(base time.Duration, factor float64) Schedule {
	base = atLeastZero(base)
	return Schedule{cells: 1, step: func(st []cell, _ input) (pause, bool) {
		delay := scaled(base, math.Pow(factor, float64(st[0].n)))
		st[0].n++
		return pause{delay: delay}, true
	}}
}

// Linear recurs without end, with delays of base, 2·base, 3·base and so on.
func Linear(base time.Duration) Schedule {
	base = atLeastZero(base)
	return Schedule{cells: 1, step: func(st []cell, _ input) (pause, bool) {
		st[0].n++
		return pause{delay: times(base, st[0].n)}, true
	}}
}

// Fibonacci recurs without end, with delays of base, base, 2·base, 3·base,
// 5·base and so on: each is the sum of the two before it. It grows more slowly
// than [Exponential], by a factor of about 1.6.
func Fibonacci(base time.Duration) Schedule {
	base = atLeastZero(base)
	// n: 1 once started; a, b: the next two delays.
	return Schedule{cells: 1, step: func(st []cell, _ input) (pause, bool) {
		c := &st[0]
		if c.n == 0 {
			*c = cell{n: 1, a: base, b: base}
		}
		delay := c.a
		c.a, c.b = c.b, plus(c.a, c.b)
		return pause{delay: delay}, true
	}}
}
