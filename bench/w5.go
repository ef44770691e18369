package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// held is W5: the cost of keeping many locks.
func held() workload {
	return workload{
		name:  "W5",
		title: "many locks held, TTL 3 s, each renewed every second",
		about: "64 goroutines take the locks within at most 40 s. CPU, requests and memory are those of the next 15 s. " +
			"A lock counts as lost if its key is gone at the end: the holder did not renew it in time, or gave it up.",
		unit: "locks",
		plan: func(quick bool) plan {
			if quick {
				return plan{window: 2 * time.Second, prepare: 10 * time.Second, cases: []int{1000}}
			}
			return plan{window: 15 * time.Second, prepare: 40 * time.Second, cases: []int{10_000, 100_000}}
		},
		fewer:   map[int]int{10_000: 2, 100_000: 1},
		ttl:     3 * time.Second,
		counted: true,
		measure: measureHeld,
		columns: []column{
			{"reached", "locks taken", whole, false},
			{"lost", "lost", whole, false},
			{"cpu", "client CPU", seconds, true},
			{"requests/s", "requests/s", whole, false},
			{"memory", "memory", mebibytes, false},
		},
		targets: []target{
			ratioAtMost(10_000, "cpu", "client CPU at 10,000", 0.8),
			atMost(10_000, "requests/s", "requests/s at 10,000", 150, whole),
			atMost(10_000, "memory", "memory at 10,000", 60<<20, mebibytes),
			atMost(10_000, "lost", "lost of 10,000", 0, whole),
			atLeast(100_000, "reached", "locks taken of 100,000", 100_000, whole),
			atMost(100_000, "lost", "lost of 100,000", 0, whole),
			atMost(100_000, "memory", "memory at 100,000", 300<<20, mebibytes),
		},
	}
}

func measureHeld(ctx context.Context, t *trial) (answer, error) {
	reached, failure := takeAll(ctx, t)
	from, to, err := t.begin()
	if err != nil {
		return answer{}, err
	}
	time.Sleep(time.Until(from))
	requests, cpu, memory := t.wire.requests.Load(), cpuTime(), residentMemory()
	for time.Now().Before(to) {
		time.Sleep(min(time.Second, time.Until(to)))
		memory = max(memory, residentMemory())
	}
	cpu = cpuTime() - cpu
	requests = t.wire.requests.Load() - requests
	present, err := countKeys(ctx, t, reached)
	if err != nil {
		return answer{}, err
	}
	a := answer{Figures: figures{
		"reached":  float64(len(reached)),
		"lost":     float64(len(reached) - present),
		"cpu":      cpu.Seconds(),
		"requests": float64(requests),
		"memory":   memory,
	}}
	if len(reached) < t.Case {
		a.Notes = append(a.Notes, fmt.Sprintf("took %s of %s", whole(float64(len(reached))), whole(float64(t.Case))))
	}
	if failure != nil {
		a.Notes = append(a.Notes, "errors such as: "+failure.Error())
	}
	return a, nil
}

// takeAll takes as many of the locks as it can in its time.
func takeAll(ctx context.Context, t *trial) (reached []string, failure error) {
	limit := time.Now().Add(t.plan.prepare)
	var next atomic.Int64
	var mu sync.Mutex
	var takers sync.WaitGroup
	for range 64 {
		takers.Go(func() {
			key := ""
			for time.Now().Before(limit) {
				if key == "" {
					i := next.Add(1) - 1
					if i >= int64(t.Case) {
						return
					}
					key = "held-" + strconv.FormatInt(i, 10)
				}
				err := t.client.hold(ctx, key)
				mu.Lock()
				if err == nil {
					reached = append(reached, key)
					key = ""
				} else {
					failure = err // and try again
				}
				mu.Unlock()
			}
		})
	}
	takers.Wait()
	return reached, failure
}

// countKeys asks the server, on a connection of its own, which locks it has.
func countKeys(ctx context.Context, t *trial, keys []string) (int, error) {
	rdb := goredis.NewClient(&goredis.Options{Addr: t.addr, ReadTimeout: grace / 2})
	defer rdb.Close()
	present := 0
	for len(keys) > 0 {
		n := min(len(keys), 1000)
		var stored []string
		for _, key := range keys[:n] {
			stored = append(stored, t.client.stored(key))
		}
		count, err := rdb.Exists(ctx, stored...).Result()
		if err != nil {
			return 0, err
		}
		present += int(count)
		keys = keys[n:]
	}
	return present, nil
}
