package schedule

import "time"

// Step is one step of a schedule, as a caller's function sees it.
type Step struct {
	// Attempt is the number of runs so far: 1 at the first step, which comes
	// after the first run.
	Attempt int
	// Elapsed is the time since the first step.
	Elapsed time.Duration
	// Delay is the time to wait before the next run, as the schedule that the method
	// was called on wants it. Later methods may still change it.
	Delay time.Duration
	// Err is the failure that is retried, nil in a repeat.
	Err error
}

// with returns the step with its Delay.
func (s Step) with(delay time.Duration) Step {
	s.Delay = delay
	return s
}

// counted passes to s the Step that it takes, without a Delay. Every step counts, even
// one at which s ends.
func (s Schedule) counted() Schedule {
	// n: the attempts; a: the first step.
	return Schedule{cells: 1 + s.cells, step: func(st []cell, in input) (pause, bool) {
		c := &st[0]
		if c.n == 0 {
			c.a = in.now
		}
		c.n++
		in.step = Step{Attempt: int(c.n), Elapsed: since(c.a, in.now), Err: in.err}
		return s.next(st[1:], in)
	}}
}
