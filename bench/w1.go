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
		peers:   peerNames(),
		title:   "one goroutine, one key, free",
		about:   "The time from the call to the end of the release, and what is allocated for it.",
		plan:    oneCase(time.Second, 300*time.Millisecond),
		ttl:     lease,
		measure: measureAlone,
		columns: []column{
			{"p50", "p50", micros, true},
			{"allocs", "allocations", tenth, false},
			{"cpu/op", "client CPU", micros, false},
		},
		targets: []target{
			ratioAtMost(0, "p50", "p50", 1.06),
			// The half is for what the runtime allocates by itself.
			atMost(0, "allocs", "allocations", 23.5, tenth),
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
	w.targets = []target{opsAtLeast(0, "ops/s", 0.9)}
	return w
}

// The cases of W1m. The other workloads have context.Background().
const (
	background = iota
	cancellable
)

// aloneUnpinned is W1m. With more than one core and GOMAXPROCS above 1, a library
// that hands a command to another goroutine may wake another thread for it, which
// costs much more CPU than on one core.
func aloneUnpinned() workload {
	w := alone()
	w.name = "W1m"
	w.title = "the same as every program has it: nothing is pinned"
	w.about = "GOMAXPROCS is the number of cores, the scheduler places the server and the client, and no core is kept awake. Client CPU is user and system time of the process, per lock."
	w.cases = map[int]string{background: "context.Background()", cancellable: "a context that can be cancelled"}
	w.peers = []string{baseline, "redsync", "redislock", "rueidislock", ours, replayed}
	w.unpinned = true
	w.rounds = manyRounds
	w.plan = func(quick bool) plan {
		p := oneCase(time.Second, 300*time.Millisecond)(quick)
		p.cases = []int{background, cancellable}
		return p
	}
	w.columns = []column{{"p50", "p50", micros, true}, {"cpu/op", "client CPU", micros, true}}
	w.targets = []target{
		ratioAtMost(background, "p50", "p50 with context.Background()", 1.05),
		ratioAtMost(background, "cpu/op", "client CPU with context.Background()", 1.1),
		ratioAtMost(cancellable, "p50", "p50 with a context that can be cancelled", 1.05),
		ratioAtMost(cancellable, "cpu/op", "client CPU with a context that can be cancelled", 1.1),
	}
	return w
}

func measureAlone(ctx context.Context, t *trial) (answer, error) {
	if t.Case == cancellable {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
	}
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
