package schedule

import "time"

// Step is what [Schedule.Tap] sees of a schedule that recurs once more.
type Step struct {
	// Attempt is the number of runs so far: 1 at the first step, which comes
	// after the first run.
	Attempt int
	// Elapsed is the time since the first step.
	Elapsed time.Duration
	// Delay is the time to wait before the next run, as the schedule in front of
	// Tap wants it. Methods behind Tap may still change it.
	Delay time.Duration
	// Err is the failure that is retried, nil in a repeat.
	Err error
}

// Tap recurs as s does, and calls f at each step at which s goes on, before the
// delay. Put it last in the chain: f sees what s decides, not what methods
// behind it make of that.
//
// f runs within the step and delays the next run until it returns. It must be safe
// for concurrent use, as every run of the schedule calls it. Inside
// [Schedule.AndThen] or [Schedule.ResetAfter], Attempt and Elapsed count from when
// the part with Tap began.
func (s Schedule) Tap(f func(Step)) Schedule {
	if f == nil {
		return s
	}
	// n: the attempts; a: the first step.
	return Schedule{cells: 1 + s.cells, step: func(st []cell, in input) (pause, bool) {
		c := &st[0]
		if c.n == 0 {
			c.a = in.now
		}
		c.n++
		p, ok := s.next(st[1:], in)
		if ok && !in.silent {
			f(Step{Attempt: int(c.n), Elapsed: since(c.a, in.now), Delay: p.total(), Err: in.err})
		}
		return p, ok
	}}
}
