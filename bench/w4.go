package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// processes is W4: several processes want the same lock, and work under it.
func processes() workload {
	return workload{
		name:  "W4",
		title: "8 processes of 4 goroutines on one key, critical section of 1 ms",
		about: "All processes run on one core. Fairness is over the 32 goroutines. The longest wait includes waits that had not ended when the window did. " +
			handoffAbout,
		plan:      oneCase(4*time.Second, 1500*time.Millisecond),
		ttl:       lease,
		processes: 8,
		counted:   true,
		measure: func(ctx context.Context, t *trial) (answer, error) {
			c, seen := &crowd{records: true, body: func() { time.Sleep(time.Millisecond) }}, &inside{}
			for range 4 {
				c.join(t.client, "processes", seen)
			}
			return c.watch(ctx, t)
		},
		gather: gatherProcesses,
		columns: []column{
			{"ops/s", "ops/s", whole, true},
			{"requests/acquisition", "requests per acquisition", hundredth, false},
			{"commands/acquisition", "commands per acquisition", hundredth, false},
			{"jain", "fairness", thousandth, false},
			{"longest", "longest wait", millis, false},
			{"handoff", "handoff p50", micros, true},
		},
		targets: []target{
			atMost(0, "requests/acquisition", "requests per acquisition", 1.3, hundredth),
			atLeast(0, "jain", "fairness", 0.99, thousandth),
			atMost(0, "longest", "longest wait", 0.2, millis),
			opsAtLeast(0, "ops/s", 1.1),
		},
	}
}

const handoffAbout = "A handoff is the time from the end of one critical section to the start of the next in another process that had been waiting."

// gatherProcesses adds up the figures of the processes.
func gatherProcesses(answers []answer, p plan) (figures, error) {
	f := figures{}
	var shares []float64
	var all []owned
	for process, a := range answers {
		f["acquired"] += a.Figures["acquired"]
		f["requests"] += a.Figures["requests"]
		f["late"] += a.Figures["late"]
		f["longest"] = max(f["longest"], a.Figures["longest"])
		shares = append(shares, a.Shares...)
		for _, s := range a.Sections {
			all = append(all, owned{s, process})
		}
	}
	f["ops/s"] = f["acquired"] / p.window.Seconds()
	f["jain"] = jain(shares)
	gaps, handoffs, err := between(all)
	if err != nil {
		return nil, err
	}
	if len(gaps) > 0 {
		f["gap"] = median(gaps)
	}
	if len(handoffs) > 0 {
		f["handoff"] = median(handoffs)
	}
	return f, nil
}

// owned is a section and the process that was in it.
type owned struct {
	section
	process int
}

// between returns, in seconds, how long the lock was free between two sections of
// different processes. Handoffs are the gaps at whose beginning the next process was
// already waiting; in the others, perhaps nobody wanted the lock. It fails if two
// sections overlap.
func between(all []owned) (gaps, handoffs []float64, err error) {
	slices.SortFunc(all, func(a, b owned) int { return cmp.Compare(a.Start, b.Start) })
	for i := 1; i < len(all); i++ {
		before, after := all[i-1], all[i]
		gap := time.Duration(after.Start - before.End)
		if gap < 0 {
			return nil, nil, fmt.Errorf("%w: a section began %v before another one ended", errNotExclusive, -gap)
		}
		if after.process == before.process {
			continue
		}
		gaps = append(gaps, gap.Seconds())
		if after.Asked < before.End {
			handoffs = append(handoffs, gap.Seconds())
		}
	}
	return gaps, handoffs, nil
}
