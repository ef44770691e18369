package main

import (
	"context"
	"time"
)

// contended is W3: the goroutines of one process want the same lock.
func contended() workload {
	return workload{
		name:  "W3",
		title: "N goroutines of one process on one key, empty critical section",
		about: "The lock changes hands as fast as the library can manage. A request is what the client sends; commands include those that scripts call. " +
			"\"Handed on\" is the share of acquisitions that followed another goroutine's; the rest went back to the goroutine that had just released the lock. " +
			"Fairness is Jain's index over the goroutines: 1 means equal shares, 1/N means that one goroutine got everything.",
		unit: "goroutines",
		plan: func(quick bool) plan {
			p := plan{window: 2500 * time.Millisecond, cases: []int{2, 16, 128, 1000}}
			if quick {
				p.window = 400 * time.Millisecond
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
			return c.watch(ctx, t)
		},
		columns: []column{
			{"ops/s", "ops/s", whole, true},
			{"requests/acquisition", "requests per acquisition", hundredth, false},
			{"commands/acquisition", "commands per acquisition", hundredth, false},
			{"handed", "handed on", percent, false},
			{"jain", "fairness", thousandth, false},
			{"longest", "longest wait", millis, false},
		},
		targets: []target{
			opsAtLeast(2, "ops/s at 2", 1.6),
			opsAtLeast(16, "ops/s at 16", 1.7),
			opsAtLeast(128, "ops/s at 128", 3),
			opsAtLeast(1000, "ops/s at 1,000", 80),
			{
				text: "ops/s, most over least from 2 to 1,000", limit: 1.25, most: true, format: times,
				value: flatness(2, 16, 128, 1000),
			},
			atMost(2, "requests/acquisition", "requests per acquisition at 2", 1.2, hundredth),
			atMost(16, "requests/acquisition", "requests per acquisition at 16", 1.2, hundredth),
			atMost(128, "requests/acquisition", "requests per acquisition at 128", 1.2, hundredth),
			atMost(1000, "requests/acquisition", "requests per acquisition at 1,000", 1.2, hundredth),
			atLeast(128, "jain", "fairness at 128", 0.99, thousandth),
		},
	}
}
