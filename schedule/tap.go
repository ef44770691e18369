package schedule

// Tap recurs as s does, and calls f at each step at which s goes on, before the
// delay. Put it last in the chain: f sees what s decides, not what later methods make
// of that.
//
// f runs within the step and delays the next run until it returns. It must be safe
// for concurrent use, as every run of the schedule calls it. Inside
// [Schedule.AndThen] or [Schedule.ResetAfter], Attempt and Elapsed count from when
// the part with Tap began.
func (s Schedule) Tap(f func(Step)) Schedule {
	if f == nil {
		return s
	}
	return Schedule{cells: s.cells, step: func(st []cell, in input) (pause, bool) {
		p, ok := s.next(st, in)
		if ok && !in.silent {
			f(in.step.with(p.total()))
		}
		return p, ok
	}}.counted()
}
