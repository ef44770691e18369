package main

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// waiting is W6: the cost of waiting for a lock that does not become free.
func waiting() workload {
	return workload{
		name:  "W6",
		title: "1,000 waiters on one held lock",
		about: "The holder is another client of the same library. Its requests and connections do not count.",
		plan: func(quick bool) plan {
			if quick {
				return plan{window: 2 * time.Second, cases: []int{1000}}
			}
			return plan{window: 10 * time.Second, cases: []int{1000}}
		},
		fewer:   map[int]int{1000: 1},
		unit:    "waiters",
		ttl:     lease,
		counted: true,
		measure: measureWaiting,
		columns: []column{
			{"requests/s", "requests/s", rate, false},
			{"connections", "connections", whole, false},
			{"goroutines", "goroutines", whole, false},
			{"cpu", "client CPU", seconds, false},
			{"memory", "memory", mebibytes, false},
		},
		targets: []target{
			atMost(1000, "requests/s", "requests/s", 2, rate),
			atMost(1000, "connections", "connections", 4, whole),
			atMost(1000, "goroutines", "goroutines", 1010, whole),
		},
	}
}

func measureWaiting(ctx context.Context, t *trial) (answer, error) {
	holder, err := openAgain(ctx, t)
	if err != nil {
		return answer{}, err
	}
	if err := holder.hold(ctx, "waited-for"); err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c, seen := &crowd{}, &inside{}
	for range t.Case {
		c.join(t.client, "waited-for", seen)
	}
	c.start(ctx)
	time.Sleep(settle)

	from, to, err := t.begin()
	if err != nil {
		return answer{}, err
	}
	time.Sleep(time.Until(from))
	c.measuring.Store(true)
	requests, cpu := t.wire.requests.Load(), cpuTime()
	time.Sleep(time.Until(to))
	a := answer{Figures: figures{
		"requests":    float64(t.wire.requests.Load() - requests),
		"connections": float64(t.wire.connections.Load()),
		"goroutines":  float64(runtime.NumGoroutine()),
		"cpu":         (cpuTime() - cpu).Seconds(),
		"memory":      residentMemory(),
	}}
	if n := seen.entered.Load(); n > 0 {
		return a, fmt.Errorf("%w: %d waiters got a lock that is held", errNotExclusive, n)
	}
	a.Notes = c.failures()
	return a, nil
}

// settle is how long a thousand waiters may need to begin to wait.
const settle = time.Second

// openAgain opens another client of the same library, which is not counted.
func openAgain(ctx context.Context, t *trial) (client, error) {
	p, ok := peerNamed(t.Peer)
	if !ok {
		return nil, fmt.Errorf("no peer %q", t.Peer)
	}
	s := t.setting
	s.dial = nil
	return p.open(ctx, s)
}
