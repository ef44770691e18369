package schedule

import "time"

// At recurs at the moments that next yields, by the wall clock. next must return the first
// moment after the time it is given; the zero time ends the schedule. The schedules of
// robfig/cron have such a method:
//
//	nightly, err := cron.ParseStandard("0 3 * * *") // github.com/robfig/cron/v3
//	…
//	schedule.At(nightly.Next)
//
// next must be a pure function, safe for concurrent use. Its argument is the time that
// [Driver.Next] was called with, in the same location; after a run that came before its
// moment, it is that moment. For moments in another location, convert the argument, or
// begin the cron expression with CRON_TZ. If its result is not after its argument, next is
// called again with a time a minute later, and so on for up to a day; then the schedule
// ends. A nil next makes [Stop].
//
// No moment has two runs. Moments that pass during a run are skipped, and so are those that
// the clock misses because it is set forward. If the clock is set back, however far, the
// schedule waits for the moment after that of the last run. A clock that is set during a
// delay does not change that delay: the run comes early or late by the clock, and the next
// one on time again. For all this, times need a monotonic reading: see [Driver.Next].
// Without one, a moment has a second run if, during the delay before it, the clock is set
// back by more than a thousandth of that delay.
//
// Methods that replace delays move each run away from its moment and add no run, as with
// [Fixed].
//
// [Schedule.Delays] and [Schedule.ToRetryPolicy] have no wall clock. They begin on
// Monday, 1 January 2001, at 00:00 UTC.
func At(next func(time.Time) time.Time) Schedule {
	if next == nil {
		return Stop()
	}
	return Schedule{cells: 1, step: func(st []cell, in input) (pause, bool) {
		m := own(&st[0], moments{})
		// The elapsed time decides, because the wall clock may be set. An earlier step
		// follows a run that another part of a Union asked for.
		if in.isOver(m.due) {
			m.last = m.next
		}
		now := in.wall.Round(0) // by the wall clock alone
		from := now
		if m.last.After(from) {
			from = m.last.In(from.Location())
		}
		moment := firstAfter(from, next)
		if moment.IsZero() {
			return pause{}, false
		}
		p := pause{lead: from.Sub(now), delay: moment.Sub(from)}
		// Where times have no monotonic reading, a timer may fire early: clocks are slewed
		// by less than a thousandth.
		m.next, m.due = moment, plus(in.now, p.total()-p.total()/1000)
		return p, true
	}}
}

// firstAfter returns the first moment of next that is after from, or the zero time. A next
// that counts hours by hand easily returns the last moment again when summer time begins:
// to run at once, again and again for that hour, was rejected.
func firstAfter(from time.Time, next func(time.Time) time.Time) time.Time {
	for asked := from; asked.Sub(from) <= 24*time.Hour; asked = asked.Add(time.Minute) {
		if moment := next(asked); moment.IsZero() || moment.After(from) {
			return moment
		}
	}
	return time.Time{}
}

// moments is the state of At.
type moments struct {
	last time.Time     // the moment of the last run
	next time.Time     // the moment of the next run
	due  time.Duration // from this time on, a step follows the run of next
}

// epoch is the first time of a schedule that is given no wall clock: the beginning of a
// day, a week, a month and a year. The zero time was rejected, because time zones had
// other offsets then.
var epoch = time.Date(2001, time.January, 1, 0, 0, 0, 0, time.UTC)
