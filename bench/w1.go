package main

import (
	"context"
	"runtime"
	"time"
)

// alone is W1: what the lock costs when nobody else wants it.
func alone() workload {
	return workload{
		name:    "W1",
		title:   "one goroutine, one key, free",
		about:   "The time from the call to the end of the release, and what is allocated for it.",
		plan:    lasting(time.Second, 300*time.Millisecond),
		ttl:     lease,
		measure: measureAlone,
		columns: []column{
			{"p50", "p50", micros, true},
			{"allocs", "allocations", tenth, false},
			{"cpu/op", "client CPU", micros, false},
		},
		targets: []target{
			ratioAtMost(0, "p50", "p50", 1.05),
			atMost(0, "allocs", "allocations", 24, tenth),
		},
	}
}

// aloneOneCore is W1s. Where client and server wait for each other on two cores,
// most of the time is the kernel's; on one core, each other's CPU time shows.
func aloneOneCore() workload {
	w := alone()
	w.name = "W1s"
	w.title = "the same, server and client on one core"
	w.about = "On one core nothing overlaps, so that the library's own CPU time shows."
	w.sharedCore = true
	w.columns = []column{{"ops/s", "ops/s", whole, true}, {"cpu/op", "client CPU", micros, false}}
	w.targets = []target{opsAtLeast(0, "ops/s", 0.95)}
	return w
}

func measureAlone(ctx context.Context, t *trial) (answer, error) {
	acquired := 0
	lock := t.client.locker("alone", func(context.Context) { acquired++ })
	from, to, err := t.begin()
	if err != nil {
		return answer{}, err
	}
	for time.Now().Before(from) {
		if err := lock(ctx); err != nil {
			return answer{}, err
		}
	}

	took := make([]float64, 0, 1<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	acquired = 0
	cpu, start := cpuTime(), time.Now()
	for now := start; now.Before(to) && len(took) < cap(took); {
		if err := lock(ctx); err != nil {
			return answer{}, err
		}
		then := now
		now = time.Now()
		took = append(took, now.Sub(then).Seconds())
	}
	lasted := time.Since(start)
	cpu = cpuTime() - cpu
	runtime.ReadMemStats(&after)
	n := float64(acquired)
	return answer{Figures: figures{
		"p50":    percentile(50, took),
		"allocs": float64(after.Mallocs-before.Mallocs) / n,
		"ops/s":  n / lasted.Seconds(),
		"cpu/op": cpu.Seconds() / n,
	}}, nil
}
