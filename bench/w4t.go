package main

import (
	"context"
	"time"
)

// rested is W4t: the cost of handing a lock to another process, without the shortcut of
// handing it on within one.
func rested() workload {
	w := processes()
	w.name = "W4t"
	w.title = "8 processes of 1 goroutine on one key, with a pause of 5 ms after each release"
	w.about = "With one goroutine per process that pauses, hardly any handoff stays within a process. " + handoffAbout +
		" A gap is the same time, but counted even if nobody was waiting."
	w.plan = oneCase(3*time.Second, time.Second)
	w.measure = func(ctx context.Context, t *trial) (answer, error) {
		c := &crowd{records: true, rest: 5 * time.Millisecond}
		c.join(t.client, "rested", &inside{})
		return c.watch(ctx, t)
	}
	w.columns = append(w.columns, column{"gap", "gap p50", micros, true})
	w.targets = []target{
		opsAtLeast(0, "ops/s", 1.4),
		ratioAtMost(0, "handoff", "handoff p50", 0.35),
		atMost(0, "requests/acquisition", "requests per acquisition", 2.1, hundredth),
	}
	return w
}
