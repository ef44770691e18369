package soak_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// worker is what the goroutines of a process share.
type worker struct {
	locks      *goredis.Client
	backing    backing.Backing
	counters   counters
	journal    *journal
	running    context.Context
	operations atomic.Int64
	events     map[mutex.EventKind]*atomic.Int64
}

var kinds = []mutex.EventKind{
	mutex.Acquired, mutex.Waiting, mutex.Polling, mutex.NotAcquired,
	mutex.Released, mutex.ReleaseFailed, mutex.Lost, mutex.BackingFailed,
}

// follow is a process from its beginning to its end; it returns its exit code.
func follow(encoded string) int {
	var o orders
	if err := json.Unmarshal([]byte(encoded), &o); err != nil {
		fmt.Fprintf(os.Stderr, "%s=%q: %v\n", ordersVariable, encoded, err)
		return 2
	}
	j, err := newJournal(o.Journal)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	options := &goredis.Options{
		Addr:           o.Lock,
		ReadBufferSize: buffer, WriteBufferSize: buffer, PipelineReadBufferSize: buffer, PipelineWriteBufferSize: buffer,
	}
	if !o.Patient {
		options.DialerRetries, options.MaxRetries = 1, -1
	}
	locks := goredis.NewClient(options)
	running, present := obey()
	w := &worker{locks: locks, backing: redis.New(locks), counters: newCounters(o.Data), journal: j, running: running, events: map[mutex.EventKind]*atomic.Int64{}}
	for _, kind := range kinds {
		w.events[kind] = &atomic.Int64{}
	}
	atFirst := runtime.NumGoroutine()
	say(word{Event: "ready"})

	var watching, working sync.WaitGroup
	watching.Go(func() { w.sample(present) })
	watching.Go(func() { j.watchStalls(present) })
	for n := range goroutines {
		working.Go(func() { newContender(w, uint16(n), rand.New(rand.NewPCG(o.Seed, uint64(n)))).run() })
	}
	working.Wait()
	say(w.figures("quiet"))
	watching.Wait()

	w.expectOneEnd()
	if left := runtime.NumGoroutine(); left > atFirst {
		stacks := make([]byte, 1<<16)
		wrong("%d goroutines at the beginning, %d when all is still: %s", atFirst, left, stacks[:runtime.Stack(stacks, true)])
	}
	_ = locks.Close()
	_ = w.counters.client.Close()
	if err := goleak.Find(); err != nil {
		wrong("goroutines after the clients have been closed: %v", err)
	}
	say(w.figures("ended"))
	return 0
}

// expectOneEnd looks whether every lock that was acquired ended in one way: an
// observer is told of it, by whoever finds out, shortly after the work at the latest.
func (w *worker) expectOneEnd() {
	said := w.figures("").Events
	if ends := said[mutex.Released] + said[mutex.ReleaseFailed] + said[mutex.Lost]; said[mutex.Acquired] != ends {
		wrong("of %d locks acquired %d ended: %v", said[mutex.Acquired], ends, said)
	}
}

// sample says every second how the process is.
func (w *worker) sample(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			say(w.figures("sample"))
		case <-ctx.Done():
			return
		}
	}
}

func (w *worker) figures(event string) word {
	heap := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}}
	metrics.Read(heap)
	said := word{
		Event: event, Goroutines: runtime.NumGoroutine(), Operations: w.operations.Load(), Resident: resident(), Pool: connections(w.locks),
		Live: int64(heap[0].Value.Uint64()), InUse: int64(heap[1].Value.Uint64() + heap[2].Value.Uint64()),
		Events: map[mutex.EventKind]int64{},
	}
	for kind, n := range w.events {
		said.Events[kind] = n.Load()
	}
	return said
}

// connections is how many a client knows of.
func connections(c *goredis.Client) int {
	stats := c.PoolStats()
	n := stats.TotalConns
	if stats.PipelineStats != nil { // pipelines have connections of their own
		n += stats.PipelineStats.TotalConns
	}
	return int(n)
}

// resident is how much memory the process has, 0 where the system does not say.
func resident() int64 {
	var size, pages int64
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	_, _ = fmt.Fscan(strings.NewReader(string(statm)), &size, &pages)
	return pages * int64(os.Getpagesize())
}

// watchStalls files when the process stood still: because it was stopped, or
// because the machine has too much to do.
func (j *journal) watchStalls(ctx context.Context) {
	const every, much = 5 * time.Millisecond, 30 * time.Millisecond
	for before := clock(); ctx.Err() == nil; {
		time.Sleep(every)
		now := clock()
		if now.since(before) > much {
			j.add(record{Kind: stalled, Want: before, Done: now})
		}
		before = now
	}
}
