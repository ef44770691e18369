package main

import (
	"context"
	"time"
)

const besideRaw = "Each library is compared with `raw` in the same process, in alternating slices of 25 ms. In the row of `raw`, any difference from 1 is chance."

// alone is W1: the cost of a lock that nobody else wants.
func alone() workload {
	return workload{
		name:    "W1",
		title:   "one goroutine, one key, free",
		about:   "The time from the call to the end of the release, and the allocations on the way. " + besideRaw,
		peers:   peerNames(),
		plan:    oneCase(time.Second, 300*time.Millisecond),
		ttl:     lease,
		measure: measureAlone,
		columns: []column{
			{"p50", "p50", micros, false},
			{"p50/raw", "of raw", times, false},
			{"allocs", "allocations", tenth, false},
			{"cpu/op", "client CPU", micros, false},
		},
		targets: []target{
			atMost(0, "p50/raw", "p50, of raw", 1.06, times),
			// The half is for the runtime's own allocations.
			atMost(0, "allocs", "allocations", 23.5, tenth),
		},
	}
}

// aloneOneCore is W1s. When client and server wait for each other on two cores, most
// of the time is the kernel's; on one core, the CPU time of both shows.
func aloneOneCore() workload {
	w := alone()
	w.name = "W1s"
	w.title = "the same, server and client on one core"
	w.about = "On one core nothing overlaps, so the library's own CPU time shows. " + besideRaw
	w.sharedCore = true
	w.columns = []column{{"ops/s", "ops/s", whole, false}, {"ops/raw", "of raw", times, false}, {"cpu/op", "client CPU", micros, false}}
	w.targets = []target{atLeast(0, "ops/raw", "ops/s, of raw", 0.9, times)}
	return w
}

// The cases of W1m. W1 and W1s have context.Background().
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
	w.title = "the same, as in an ordinary program: nothing is pinned"
	w.about = "GOMAXPROCS is the number of cores, the scheduler places server and client, and no core is kept awake. " +
		"Client CPU is the user and system time of the process, per lock. The scheduler's placement alone can double the times of all libraries. " + besideRaw
	w.cases = map[int]string{background: "context.Background()", cancellable: "a context that can be cancelled"}
	w.peers = []string{baseline, "redsync", "redislock", "rueidislock", ours, replayed}
	w.unpinned = true
	w.rounds = manyRounds
	w.plan = func(quick bool) plan {
		p := oneCase(time.Second, 300*time.Millisecond)(quick)
		p.cases = []int{background, cancellable}
		return p
	}
	w.columns = []column{
		{"p50", "p50", micros, false},
		{"p50/raw", "of raw", times, false},
		{"cpu/op", "client CPU", micros, false},
		{"cpu/raw", "of raw", times, false},
	}
	w.targets = []target{
		atMost(background, "p50/raw", "p50 with context.Background(), of raw", 1.05, times),
		atMost(background, "cpu/raw", "client CPU with context.Background(), of raw", 1.1, times),
		atMost(cancellable, "p50/raw", "p50 with a context that can be cancelled, of raw", 1.05, times),
		atMost(cancellable, "cpu/raw", "client CPU with a context that can be cancelled, of raw", 1.1, times),
	}
	return w
}

// measureAlone compares a library with the baseline in one process. Two processes were
// rejected: the scheduler would place each pair of client and server in its own way,
// and a machine that is busy for a moment would slow only one of them.
func measureAlone(ctx context.Context, t *trial) (answer, error) {
	if t.Case == cancellable {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
	}
	floor, err := openRaw(ctx, t.setting)
	if err != nil {
		return answer{}, err
	}
	mine := &turns{lock: t.client.locker("alone", func(context.Context) {})}
	raw := &turns{lock: floor.locker("raw", func(context.Context) {})}
	from, to, err := t.begin()
	if err != nil {
		return answer{}, err
	}
	if err := byTurns(ctx, from, mine, raw); err != nil {
		return answer{}, err
	}
	mine.forget()
	raw.forget()
	if err := byTurns(ctx, to, mine, raw); err != nil {
		return answer{}, err
	}
	var ratios []float64
	for i, p50 := range mine.p50 {
		ratios = append(ratios, p50/raw.p50[i])
	}
	return answer{Figures: figures{
		"p50":     median(mine.p50),
		"p50/raw": median(ratios),
		"allocs":  mine.allocs / mine.locks,
		"ops/s":   mine.locks / mine.lasted,
		"ops/raw": (mine.locks / mine.lasted) / (raw.locks / raw.lasted),
		"cpu/op":  mine.cpu / mine.locks,
		"cpu/raw": (mine.cpu / mine.locks) / (raw.cpu / raw.locks),
	}}, nil
}
