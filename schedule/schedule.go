package schedule

import (
	"cmp"
	"math/rand/v2"
	"time"
)

// Schedule is a policy for retries or repeats: an immutable value that any number of
// goroutines may share and run, at the same time and any number of times. Each run has
// its own state: see [Schedule.Driver].
//
// The zero value means that no policy was chosen, so a configuration can distinguish a
// field that is not set from any policy: see [Schedule.IsZero]. If it is run, it behaves
// like [Stop].
//
// Schedules hold functions and cannot be compared with ==; compare their
// [Schedule.Delays].
type Schedule struct {
	step  transition
	cells int
}

// transition is one step of the pure core: from a state and an input to the
// next state, a pause, and whether another run follows (if not, the pause is
// meaningless). The next state replaces the old one in place. Returning a new
// one would read better, but would allocate at each step of each waiter.
//
// A transition touches only its own cells, which are all zero in the initial state.
type transition func(st []cell, in input) (p pause, ok bool)

// cell is the state of one stage of a schedule: a count and two times, whose meaning
// is up to the stage. One type for all stages lets a run keep its whole state in one
// array, and restart a stage by clearing a part of it. Only a stage that needs more
// uses own, which costs an allocation.
type cell struct {
	n    uint64
	a, b time.Duration
	own  any
}

// input is all that a step may depend on, besides its state.
type input struct {
	// now is the time since the first step of the run, never negative.
	now time.Duration
	// early is by how much the stages around this one shortened the last delay,
	// negative if they lengthened it. A run that starts early is not an extra run.
	early time.Duration
	// shift is by how much stages outside of this one shortened the delay that they wait
	// for. It is early, unless the step comes before the end of that delay.
	shift time.Duration
	// wall is the time that the caller gave, in its location.
	wall time.Time
	// err is the failure that would be retried, nil in a repeat.
	err error
	// step comes from the innermost counted stage around this one.
	step Step
	// random draws from [0, 1).
	random func() float64
	// silent is set when a step is only computed, not taken: Tap is not called.
	silent bool
}

// due is when the step would have come if no stage around had replaced the last delay.
func (in input) due() time.Duration { return plus(in.now, in.early) }

// isOver reports whether a pause is over that this stage wanted to end at a time.
func (in input) isOver(end time.Duration) bool { return plus(in.now, in.shift) >= end }

// pause is the time until the next run, in two parts. lead makes up for a run that
// started early: it lasts until the moment at which that run was due. Stages that
// replace delays leave it alone.
type pause struct{ lead, delay time.Duration }

func (p pause) total() time.Duration { return plus(p.lead, p.delay) }

func shorter(a, b pause) pause {
	if cmp.Or(cmp.Compare(a.total(), b.total()), cmp.Compare(a.lead, b.lead)) <= 0 {
		return a
	}
	return b
}

func longer(a, b pause) pause {
	if shorter(a, b) == a {
		return b
	}
	return a
}

// IsZero reports whether s is the zero value: no policy was chosen. [Stop] is a
// choice, and so is any schedule that a method returned.
func (s Schedule) IsZero() bool { return s.step == nil }

// next takes one step of s. It is how stages call each other, because the zero
// value has no transition.
func (s Schedule) next(st []cell, in input) (pause, bool) {
	if s.step == nil {
		return pause{}, false
	}
	return s.step(st, in)
}

// Delays lists the first n delays of a repeat whose runs take no time and whose sleeps
// last exactly as long as they should; fewer if the schedule ends earlier. It returns at
// once, however long the delays are, and calls no function that was given to
// [Schedule.Tap]. Each call draws its own jitter. For [At] the repeat begins on Monday,
// 1 January 2001, at 00:00 UTC.
func (s Schedule) Delays(n int) []time.Duration {
	var delays []time.Duration
	st := make([]cell, s.cells)
	in := input{random: rand.Float64, silent: true}
	for len(delays) < n {
		in.wall = epoch.Add(in.now)
		p, ok := s.next(st, in)
		if !ok {
			break
		}
		delays = append(delays, p.total())
		in.now = plus(in.now, p.total())
	}
	return delays
}
