package main

import (
	"context"
	"strconv"
	"time"
)

// spread is W2: many locks in use at once, none of them contended.
func spread() workload {
	return workload{
		name:    "W2",
		title:   "64 goroutines, each with its own key",
		about:   "The throughput of concurrent use through one client. Nobody competes for a lock, so exclusion is not checked here.",
		plan:    oneCase(time.Second, 300*time.Millisecond),
		ttl:     lease,
		measure: measureSpread,
		columns: []column{{"ops/s", "ops/s", whole, true}, {"cpu/op", "client CPU", micros, false}},
		targets: []target{opsAtLeast(0, "ops/s", 2.6)},
	}
}

func measureSpread(ctx context.Context, t *trial) (answer, error) {
	c := &crowd{}
	for i := range 64 {
		c.join(t.client, "spread-"+strconv.Itoa(i), &inside{})
	}
	return c.watch(ctx, t)
}
