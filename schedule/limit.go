package schedule

import (
	"time"

	"github.com/effectlock/effectlock/internal/failures"
)

// UpTo recurs as s does, while less than d has passed since its first step. It
// ends the schedule but shortens nothing: neither the last delay nor a run is cut
// short, so the whole may last longer than d. For a deadline use a context.
//
// A d of 0 or less ends the schedule with the first step.
func (s Schedule) UpTo(d time.Duration) Schedule {
	// n: 1 once started; a: the first step.
	return Schedule{cells: 1 + s.cells, step: func(st []cell, in input) (pause, bool) {
		c := &st[0]
		if c.n == 0 {
			*c = cell{n: 1, a: in.now}
		}
		p, ok := s.next(st[1:], in)
		return p, ok && since(c.a, in.now) < d
	}}
}

// WhileError recurs as s does, while test accepts the failure that would be
// retried. If the error joins several failures, as errors.Join does, test is called
// for each, until it rejects one: work that failed for good must not be repeated
// because its release failed as well. In a repeat there is no failure: test is not
// called, and s alone decides. test must be safe for concurrent use.
func (s Schedule) WhileError(test func(error) bool) Schedule {
	if test == nil {
		return s
	}
	return Schedule{cells: s.cells, step: func(st []cell, in input) (pause, bool) {
		p, ok := s.next(st, in)
		return p, ok && (in.err == nil || failures.All(in.err, test))
	}}
}

// ResetAfter recurs as s does, but restarts s at a step that comes d or more after
// the one before it. So a service that runs well for a while and then fails is
// retried from the shortest delay again.
//
// The time between two steps includes the delay as well as the run. Keep d longer
// than the longest delay of s, or the delays themselves restart it; a d of 0 or
// less makes every step a first one. A schedule that has ended takes no further step
// and is not restarted, except in a [Schedule.Union], which goes on stepping it.
func (s Schedule) ResetAfter(d time.Duration) Schedule {
	// n: 1 once started; a: the last step.
	return Schedule{cells: 1 + s.cells, step: func(st []cell, in input) (pause, bool) {
		if st[0].n == 1 && since(st[0].a, in.now) >= d {
			clear(st[1:])
		}
		st[0] = cell{n: 1, a: in.now}
		return s.next(st[1:], in)
	}}
}
