package main

import (
	"context"
	"runtime"
	"time"
)

// turns are the figures of one of several libraries that are measured in turns.
type turns struct {
	lock func(context.Context) error
	p50  []float64 // of each turn
	// locks, allocs, lasted and cpu are sums over all turns.
	locks, allocs, lasted, cpu float64

	took []float64 // in the current turn
}

// turnLength is long compared with a lock, and short compared with the time for which
// the scheduler leaves things where they are.
const turnLength = 25 * time.Millisecond

// byTurns gives each library a turn, repeatedly until then, and at least once.
func byTurns(ctx context.Context, until time.Time, all ...*turns) error {
	for {
		for _, t := range all {
			if err := t.take(ctx); err != nil {
				return err
			}
		}
		if !time.Now().Before(until) {
			return nil
		}
	}
}

func (t *turns) take(ctx context.Context) error {
	t.took = t.took[:0]
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, start := cpuTime(), time.Now()
	now := start
	for now.Sub(start) < turnLength {
		if err := t.lock(ctx); err != nil {
			return err
		}
		then := now
		now = time.Now()
		t.took = append(t.took, now.Sub(then).Seconds())
	}
	t.cpu += (cpuTime() - cpu).Seconds()
	runtime.ReadMemStats(&after)
	t.lasted += now.Sub(start).Seconds()
	t.locks += float64(len(t.took))
	t.allocs += float64(after.Mallocs - before.Mallocs)
	t.p50 = append(t.p50, percentile(50, t.took))
	return nil
}

// forget resets the figures after the warm-up turns.
func (t *turns) forget() { *t = turns{lock: t.lock, took: t.took} }
