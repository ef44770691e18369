package schedule

import (
	"math/rand/v2"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/IBM/fp-go/v2/retry"
)

// FromRetryPolicy recurs as long as an fp-go policy returns Some, with the delay that it
// returns. The policy gets the status that fp-go would give it: the number of retries so
// far, the sum of the delays that it asked for, and the last of them. It must be safe for
// concurrent use. A nil policy is [Stop].
//
// A negative delay becomes 0. fp-go's ExponentialBackoff overflows after about 37
// retries, and would go on without any delay; [Exponential] does not.
func FromRetryPolicy(policy retry.RetryPolicy) Schedule {
	if policy == nil {
		return Stop()
	}
	// n: retries so far; a: the sum of their delays; b: the last delay.
	return Schedule{cells: 1, step: func(st []cell, _ input) (pause, bool) {
		c := &st[0]
		status := retry.RetryStatus{IterNumber: uint(c.n), CumulativeDelay: c.a}
		if c.n > 0 {
			status.PreviousDelay = option.Some(c.b)
		}
		delay, ok := option.Unwrap(policy(status))
		if !ok {
			return pause{}, false
		}
		delay = atLeastZero(delay)
		*c = cell{n: c.n + 1, a: plus(c.a, delay), b: delay}
		return pause{delay: delay}, true
	}}
}

// ToRetryPolicy returns s as an fp-go policy: a function of the status alone, which
// keeps no state and is safe for concurrent use.
//
// Each call computes the run again from its beginning, so retry number n costs n steps. The
// elapsed time is the CumulativeDelay of the status, which does not include the runs, so
// [Schedule.UpTo] limits the sum of the delays. A status has no failure, so
// [Schedule.WhileError] tests nothing. For [At], time begins on Monday, 1 January 2001, at
// 00:00 UTC. Only the answer itself is jittered and calls [Schedule.Tap]; the steps before
// it are computed with the jitter in the middle of its range, and without Tap.
func (s Schedule) ToRetryPolicy() retry.RetryPolicy {
	return func(status retry.RetryStatus) option.Option[time.Duration] {
		total := atLeastZero(status.CumulativeDelay)
		st := make([]cell, s.cells)
		in := input{wall: epoch, random: middle, silent: true}
		var due time.Duration
		for range status.IterNumber {
			p, ok := s.next(st, in)
			if !ok {
				return option.None[time.Duration]()
			}
			// With jitter the delays that were slept are not the ones computed here.
			// Their sum is known, and no earlier step came after it.
			due = plus(due, p.total())
			in.now = min(due, total)
			in.early, in.shift, in.wall = due-in.now, due-in.now, epoch.Add(in.now)
		}
		p, ok := s.next(st, input{now: total, early: due - total, shift: due - total, wall: epoch.Add(total), random: rand.Float64})
		if !ok {
			return option.None[time.Duration]()
		}
		return option.Some(p.total())
	}
}

func middle() float64 { return 0.5 }
