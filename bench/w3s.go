package main

import (
	"context"
	"time"
)

// startTurns is how many turns of W3s count.
const startTurns = 2000

// standingStart is W3s: W3 for a process that has never waited before.
func standingStart() workload {
	return workload{
		name:  "W3s",
		title: "the first 2,000 turns of N goroutines on one key, from a standing start",
		about: "As W3, but the process has neither locked nor waited before, like a program that wakes up, does a burst of work and goes back to sleep. " +
			"A fair share of the wait is N turns of average length. The longest wait is given as a multiple of that.",
		unit: "goroutines",
		plan: func(quick bool) plan {
			p := plan{window: 6 * time.Second, cases: []int{2, 16, 128, 1000}}
			if quick {
				p.cases = p.cases[:3]
			}
			return p
		},
		ttl:     lease,
		counted: true,
		measure: func(ctx context.Context, t *trial) (answer, error) {
			c, seen := &crowd{}, &inside{}
			for range t.Case {
				c.join(t.client, "contended", seen)
			}
			return c.sprint(ctx, t, startTurns)
		},
		columns: []column{
			{"ops/s", "ops/s", whole, true},
			{"requests/acquisition", "requests per acquisition", hundredth, false},
			{"jain", "fairness", thousandth, false},
			{"longest", "longest wait", millis, false},
			{"longest/fair", "longest wait, of a fair share", hundredth, false},
		},
		targets: []target{
			opsAtLeast(2, "ops/s at 2", 1.6),
			opsAtLeast(16, "ops/s at 16", 1.8),
			opsAtLeast(128, "ops/s at 128", 5),
			opsAtLeast(1000, "ops/s at 1,000", 200),
			atMost(2, "longest/fair", "longest wait at 2, of a fair share", 3, hundredth),
			atMost(16, "longest/fair", "longest wait at 16, of a fair share", 3, hundredth),
			atMost(128, "longest/fair", "longest wait at 128, of a fair share", 3, hundredth),
			atMost(1000, "longest/fair", "longest wait at 1,000, of a fair share", 3, hundredth),
		},
	}
}

// sprint runs the crowd until it has taken startTurns turns, or the window is over.
func (c *crowd) sprint(ctx context.Context, t *trial, turns int64) (answer, error) {
	from, to, err := t.begin()
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	time.Sleep(time.Until(from))
	requests, started := t.wire.requests.Load(), time.Now()
	c.measuring.Store(true)
	c.start(ctx)
	for c.total() < turns && time.Now().Before(to) {
		time.Sleep(100 * time.Microsecond)
	}
	c.measuring.Store(false)
	now := time.Now()
	lasted, longest := now.Sub(started), c.longest(now.UnixNano())
	requests = t.wire.requests.Load() - requests
	cancel()
	c.remain(stragglers)

	a := c.sum(lasted)
	a.Figures["longest"], a.Figures["requests"] = longest.Seconds(), float64(requests)
	if n := a.Figures["acquired"]; n > 0 {
		a.Figures["longest/fair"] = longest.Seconds() / (float64(t.Case) * lasted.Seconds() / n)
	}
	a.Notes = append(a.Notes, c.failures()...)
	return a, nil
}
