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

// The cases of footprint.
const (
	manyKeys = iota
	oneKey
)

// footprint is what a library leaves on the server when nothing is locked.
func footprint() workload {
	return workload{
		name:  "footprint",
		title: "what is left on the server 10 s after the last release",
		about: "Bytes are the server's memory for data: the memory in use, minus that of its clients, compared with the time before the first lock. With -quick there are a fiftieth as many locks.",
		cases: map[int]string{
			manyKeys: "100,000 keys, each locked once by one of 64 goroutines, TTL 30 s",
			oneKey:   "one key, locked 20,000 times by 16 goroutines, TTL 24 h",
		},
		plan: func(quick bool) plan {
			p := plan{window: 10 * time.Second, prepare: 40 * time.Second, cases: []int{manyKeys, oneKey}}
			if quick {
				p.window = time.Second
			}
			return p
		},
		ttl:     lease,
		longer:  map[int]time.Duration{oneKey: 24 * time.Hour},
		fewer:   map[int]int{manyKeys: 1, oneKey: 1},
		measure: measureFootprint,
		columns: []column{{"keys", "keys", whole, false}, {"bytes", "bytes", whole, false}},
		targets: []target{
			atMost(manyKeys, "keys", "keys after 100,000 keys", 100, whole),
			atMost(oneKey, "keys", "keys after one key", 100, whole),
		},
	}
}

func measureFootprint(ctx context.Context, t *trial) (answer, error) {
	rdb := goredis.NewClient(&goredis.Options{Addr: t.addr, PoolSize: 1, ReadTimeout: grace / 2})
	defer rdb.Close()
	before, err := dataBytes(ctx, rdb)
	if err != nil {
		return answer{}, err
	}
	wanted := map[int]int64{manyKeys: 100_000, oneKey: 20_000}[t.Case]
	if t.Quick {
		wanted /= 50
	}
	a, err := t.lockAndRelease(ctx, wanted)
	if err != nil {
		return answer{}, err
	}
	rest := time.Now().Add(t.plan.window)
	if _, _, err := t.begin(); err != nil {
		return answer{}, err
	}
	time.Sleep(time.Until(rest))
	keys, err := rdb.DBSize(ctx).Result()
	if err != nil {
		return answer{}, err
	}
	after, err := dataBytes(ctx, rdb)
	a.Figures = figures{"keys": float64(keys), "bytes": max(0, after-before)}
	return a, err
}

// lockAndRelease takes the wanted number of locks, each for a moment, as time allows.
func (t *trial) lockAndRelease(ctx context.Context, wanted int64) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, t.plan.prepare)
	defer cancel()
	var claimed, done atomic.Int64
	var failed atomic.Pointer[error]
	var workers sync.WaitGroup
	take := func(lock func(context.Context) error) {
		if err := lock(ctx); err != nil {
			failed.Store(&err)
			return
		}
		done.Add(1)
	}
	seen := &inside{}
	switch t.Case {
	case manyKeys:
		for range 64 {
			workers.Go(func() {
				for i := claimed.Add(1); i <= wanted && ctx.Err() == nil; i = claimed.Add(1) {
					take(t.client.locker("left-"+strconv.FormatInt(i, 10), func(context.Context) {}))
				}
			})
		}
	case oneKey:
		for range 16 {
			workers.Go(func() {
				lock := t.client.locker("left", func(context.Context) { seen.section(nil) })
				for claimed.Add(1) <= wanted && ctx.Err() == nil {
					take(lock)
				}
			})
		}
	}
	workers.Wait()
	var a answer
	if n := seen.violations.Load(); n > 0 {
		return a, fmt.Errorf("%w: two were inside at once, %d times", errNotExclusive, n)
	}
	if n := done.Load(); n < wanted {
		a.Notes = append(a.Notes, fmt.Sprintf("locked %s times of %s", whole(float64(n)), whole(float64(wanted))))
	}
	if err := failed.Load(); err != nil {
		a.Notes = append(a.Notes, "errors such as: "+(*err).Error())
	}
	return a, nil
}

// dataBytes returns the server's memory, except that for its clients.
func dataBytes(ctx context.Context, rdb *goredis.Client) (float64, error) {
	text, err := rdb.Info(ctx, "memory").Result()
	if err != nil {
		return 0, err
	}
	info := parseInfo(text)
	used, err := strconv.ParseFloat(info["used_memory"], 64)
	if err != nil {
		return 0, fmt.Errorf("used_memory: %w", err)
	}
	clients, err := strconv.ParseFloat(info["mem_clients_normal"], 64)
	if err != nil {
		return 0, fmt.Errorf("mem_clients_normal: %w", err)
	}
	return used - clients, nil
}
