package schedule

import "time"

// At recurs at the moments that next yields, by the wall clock: next is given a time
// and returns the first moment after it, or the zero time if there is none, which ends
// the schedule. The Next method of a schedule of github.com/robfig/cron/v3 is such a
// function:
//
//	nightly, err := cron.ParseStandard("0 3 * * *")
//	...
//	schedule.At(nightly.Next)
//
// next is given the time that [Driver.Next] was given, in the same location and without
// its monotonic reading. It must be a pure function, safe for concurrent use. A moment
// that is not after the time next was given means no delay. A nil next makes [Stop].
//
// No moment comes twice. Moments that pass during a run, or while the clock is set
// forward, are skipped and not made up for. If the clock was set back since the last
// run, the schedule waits for the moment after that run's, however far back the clock
// was set. A clock that is set during a delay does not change that delay: the run
// starts early or late by that clock, and the next delay is right again. All this
// takes times with a monotonic reading, as those of [time.Now] have: without one, a
// run that ends before its moment is taken for a run in between, and the moment is
// still to come.
//
// Methods that replace delays move each run away from its moment and add no run, as
// with [Fixed].
//
// [Schedule.Delays] and [Schedule.ToRetryPolicy] have no wall clock. For them time
// begins on Monday, 1 January 2001, at 00:00 UTC.
func At(next func(time.Time) time.Time) Schedule {
	if next == nil {
		return Stop()
	}
	return Schedule{cells: 1, step: func(st []cell, in input) (pause, bool) {
		m := own(&st[0], moments{})
		// By the elapsed time, because the wall clock may be set. A step that comes
		// earlier follows a run that another part of a Union asked for.
		if in.due() >= m.due {
			m.last = m.next
		}
		from := in.wall
		if m.last.After(from) {
			from = m.last.In(from.Location())
		}
		moment := next(from)
		if moment.IsZero() {
			return pause{}, false
		}
		p := pause{lead: from.Sub(in.wall), delay: atLeastZero(moment.Sub(from))}
		m.next, m.due = moment, plus(in.now, p.total())
		return p, true
	}}
}

// moments is the state of At.
type moments struct {
	last time.Time     // the moment of the last run
	next time.Time     // the moment that is waited for
	due  time.Duration // when its run is due, counted from the first step
}

// epoch is when the wall clock starts where there is none: at the beginning of a day, a
// week, a month and a year. The zero time was rejected, because no time zone had its
// present offset then.
var epoch = time.Date(2001, time.January, 1, 0, 0, 0, 0, time.UTC)
