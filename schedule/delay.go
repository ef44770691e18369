package schedule

import "time"

// Delayed recurs as s does, with each delay replaced by what f returns for it. f must
// be a pure function, safe for concurrent use; it may be called for a delay that is
// never slept, for example by [Schedule.Delays].
//
// On [Fixed], [Windowed] and [At] the delay that f replaces is counted from the previous
// beat. If a run started before its beat, the time up to that beat is added to the next
// delay. So there is one run per beat, whatever delays f returns.
func (s Schedule) Delayed(f func(time.Duration) time.Duration) Schedule {
	if f == nil {
		return s
	}
	return s.replaceDelays(func(delay time.Duration, _ input) time.Duration { return atLeastZero(f(delay)) })
}

// DelayedBy recurs as s does, with each delay replaced by what f returns for the step.
// So a delay can depend on the failure: on the Retry-After of an HTTP response, for
// example. The Delay of the step is the one that s wants; to keep it, return it.
//
// f must be a pure function, safe for concurrent use. It replaces delays as the function
// given to [Schedule.Delayed] does, also on [Fixed], [Windowed] and [At]. [Schedule.Delays]
// and [Schedule.ToRetryPolicy] have no failure: they call f with a nil Err. Attempt and
// Elapsed count as in [Schedule.Tap].
func (s Schedule) DelayedBy(f func(Step) time.Duration) Schedule {
	if f == nil {
		return s
	}
	return s.replaceDelays(func(delay time.Duration, in input) time.Duration {
		return atLeastZero(f(in.step.with(delay)))
	}).counted()
}

// CapDelay recurs as s does, with no delay longer than d. It does not end the
// schedule: an exponential one goes on at delays of d. Jitter added after it may
// exceed d, so jitter first. On [Fixed], [Windowed] and [At] each run starts at most d
// after the beat before its own: see [Schedule.Delayed].
func (s Schedule) CapDelay(d time.Duration) Schedule {
	return s.Delayed(func(delay time.Duration) time.Duration { return min(delay, d) })
}

// Jittered recurs as s does, with each delay drawn at random between 80 % and
// 120 % of it, so that clients that failed together do not come back together.
func (s Schedule) Jittered() Schedule { return s.JitteredBetween(0.8, 1.2) }

// JitteredBetween recurs as s does, with each delay multiplied by a factor drawn
// uniformly from lo to hi: JitteredBetween(0, 1) is the "full jitter" of Marc
// Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015). A
// factor that is negative or not a number makes the delay 0. On [Fixed], [Windowed]
// and [At] there is still one run per beat: see [Schedule.Delayed].
func (s Schedule) JitteredBetween(lo, hi float64) Schedule {
	// Not a case of Delayed, whose function is pure: randomness is an input.
	return s.replaceDelays(func(delay time.Duration, in input) time.Duration {
		return scaled(delay, lo+(hi-lo)*in.random())
	})
}

// replaceDelays recurs as s does, with each delay replaced by what f returns. It reports to s
// by how much it shortened the last delay. Otherwise a beat in s would count a run that
// started early as one of the beat before.
func (s Schedule) replaceDelays(f func(time.Duration, input) time.Duration) Schedule {
	if s.cells == 0 { // without state there is no beat
		return Schedule{step: func(st []cell, in input) (pause, bool) {
			p, ok := s.next(st, in)
			if !ok {
				return pause{}, false
			}
			p.delay = f(p.delay, in)
			return p, true
		}}
	}
	// a: by how much the last delay was shortened; b: when the last pause was over; a of the
	// second: when the last run of s was due.
	return Schedule{cells: 2 + s.cells, step: func(st []cell, in input) (pause, bool) {
		c, last, now := &st[0], &st[1], in.now
		if in.isOver(c.b) {
			in.early = plus(in.early, c.a)
			last.a = in.due()
		} else {
			// A step that comes earlier follows a run that another part of a Union
			// asked for: the run after this delay is still to come. The run before this
			// delay may have started so early that it is not due yet.
			in.early = max(in.early, last.a-now)
		}
		in.shift = plus(in.shift, c.a)
		p, ok := s.next(st[2:], in)
		if !ok {
			return pause{}, false
		}
		delay := f(p.delay, in)
		c.a, p.delay = p.delay-delay, delay
		c.b = plus(now, p.total())
		return p, true
	}}
}
