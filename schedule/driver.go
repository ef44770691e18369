package schedule

import (
	"math/rand/v2"
	"time"
)

// Driver is one run of a [Schedule]: the state between its steps. It is not safe for
// concurrent use, and not reusable: a new run needs a new Driver.
type Driver struct {
	schedule Schedule
	start    time.Time
	started  bool
	ended    bool
	state    []cell
}

// Driver starts a run of s: no step has been taken, and no time has passed.
func (s Schedule) Driver() *Driver {
	// The state is not an array inside the Driver, which would then always be on the
	// heap. This way it is the one allocation of a run whose Driver stays in its
	// function (At and Unfold add one each), and there is none without state.
	return &Driver{schedule: s, state: make([]cell, s.cells)}
}

// Next takes one step. Call it after each run with the time and the failure
// that would be retried, nil in a repeat. If ok, wait for delay, which is at
// least 0, and run again; otherwise the schedule has ended, and every further
// call says so too.
//
// The run of the schedule begins with the now of the first call. An earlier now counts
// as that beginning, so a clock that is set back makes no delay negative. Pass the
// result of [time.Now] as it is: its monotonic reading never goes back, and methods
// such as In and UTC strip it.
func (d *Driver) Next(now time.Time, err error) (delay time.Duration, ok bool) {
	if d.ended {
		return 0, false
	}
	if !d.started {
		d.started, d.start = true, now
	}
	in := input{now: atLeastZero(now.Sub(d.start)), wall: now, err: err, random: rand.Float64}
	p, ok := d.schedule.next(d.state, in)
	if !ok {
		d.ended = true
		return 0, false
	}
	return p.total(), true
}
