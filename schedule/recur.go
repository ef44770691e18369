package schedule

import (
	"slices"
	"time"
)

// Forever recurs without end and without delay. On its own it is a busy loop;
// it is there to build on.
func Forever() Schedule {
	return Schedule{step: func([]cell, input) (pause, bool) { return pause{}, true }}
}

// Stop never recurs: the first run is the only one.
func Stop() Schedule {
	return Schedule{step: func([]cell, input) (pause, bool) { return pause{}, false }}
}

// Once recurs once, without delay: two runs in all.
func Once() Schedule { return Recurs(1) }

// Recurs recurs n times without delay: n+1 runs in all, the first one
// included. A negative n counts as 0.
func Recurs(n int) Schedule {
	limit := uint64(max(n, 0))
	return Schedule{cells: 1, step: func(st []cell, _ input) (pause, bool) {
		if st[0].n >= limit {
			return pause{}, false
		}
		st[0].n++
		return pause{}, true
	}}
}

// FromDelays recurs once for each of the delays, in the given order. It copies its
// argument. Without any delays it is [Stop].
func FromDelays(delays ...time.Duration) Schedule {
	delays = slices.Clone(delays)
	return Schedule{cells: 1, step: func(st []cell, _ input) (pause, bool) {
		n := st[0].n
		if n >= uint64(len(delays)) {
			return pause{}, false
		}
		st[0].n++
		return pause{delay: atLeastZero(delays[n])}, true
	}}
}

// Elapsed recurs without end and without delay, like [Forever]. Use it to
// measure how long retries take, which [Schedule.Tap] shows in [Step.Elapsed]:
//
//	schedule.Elapsed().Tap(func(s schedule.Step) { waited.Observe(s.Elapsed) })
func Elapsed() Schedule { return Forever() }
