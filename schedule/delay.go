package schedule

import "time"

// Delayed recurs as s does, with each delay replaced by f of it. f must be a
// pure function, safe for concurrent use; it may be called for a delay that is
// never slept, for example in [Schedule.Delays].
func (s Schedule) Delayed(f func(time.Duration) time.Duration) Schedule {
	if f == nil {
		return s
	}
	return Schedule{cells: s.cells, step: func(st []cell, in input) (time.Duration, bool) {
		delay, ok := s.next(st, in)
		if !ok {
			return 0, false
		}
		return atLeastZero(f(delay)), true
	}}
}

// CapDelay recurs as s does, with no delay longer than d. It does not end the
// schedule: an exponential one goes on at delays of d. Jitter added after it may
// exceed d, so jitter first.
func (s Schedule) CapDelay(d time.Duration) Schedule {
	return s.Delayed(func(delay time.Duration) time.Duration { return min(delay, d) })
}

// Jittered recurs as s does, with each delay drawn at random between 80 % and
// 120 % of it, so that clients which failed together do not come back together.
func (s Schedule) Jittered() Schedule { return s.JitteredBetween(0.8, 1.2) }

// JitteredBetween recurs as s does, with each delay multiplied by a factor drawn
// uniformly from lo to hi: JitteredBetween(0, 1) is the "full jitter" of Marc
// Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015). A
// factor that is negative or not a number makes the delay 0.
func (s Schedule) JitteredBetween(lo, hi float64) Schedule {
	// Not a case of Delayed, whose function is pure: the dice are an input.
	return Schedule{cells: s.cells, step: func(st []cell, in input) (time.Duration, bool) {
		delay, ok := s.next(st, in)
		if !ok {
			return 0, false
		}
		return scaled(delay, lo+(hi-lo)*in.random()), true
	}}
}
