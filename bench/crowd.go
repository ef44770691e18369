package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
)

// crowd is goroutines that take locks again and again.
type crowd struct {
	workers []*worker
	// body is the critical section, nil if it is empty; rest is how long a
	// worker stays away after each release.
	body    func()
	rest    time.Duration
	records bool // keep the sections, so that the parent can compare processes

	measuring atomic.Bool
}

// worker is one goroutine of a crowd. Its figures belong to the window.
type worker struct {
	lock     func(context.Context) error
	inside   *inside
	acquired atomic.Int64
	handed   atomic.Int64 // sections that followed another worker's of this process
	asked    atomic.Int64 // when it began to wait, in ns since 1970; 0: not waiting
	longest  atomic.Int64 // its longest finished wait, in ns
	failed   atomic.Pointer[string]
	back     atomic.Bool // the worker has ended
	sections []section
}

// section is one critical section, in ns since 1970, by the only clock that
// processes share.
type section struct{ Asked, Start, End int64 }

// inside detects two workers in the section of one lock, and records the last one.
type inside struct {
	occupied   atomic.Bool
	last       atomic.Pointer[worker]
	entered    atomic.Int64
	violations atomic.Int64
}

// yieldEvery is the number of sections for each one that lets other goroutines run
// while it is inside. On one core two holders would never meet in an empty section;
// but if every section yielded, that would be most of its cost.
const yieldEvery = 8

func (i *inside) section(body func()) {
	if i.occupied.Swap(true) {
		i.violations.Add(1)
	}
	if i.entered.Add(1)%yieldEvery == 0 {
		runtime.Gosched()
	}
	if body != nil {
		body()
	}
	i.occupied.Store(false)
}

// join adds a worker that takes the lock of key. Workers with the same key share seen.
func (c *crowd) join(cl client, key string, seen *inside) {
	w := &worker{inside: seen}
	w.lock = cl.locker(key, func(context.Context) {
		start := time.Now().UnixNano()
		asked := w.asked.Swap(0)
		w.inside.section(c.body)
		handedOn := w.inside.last.Swap(w) != w
		if !c.measuring.Load() {
			return
		}
		w.acquired.Add(1)
		if handedOn {
			w.handed.Add(1)
		}
		w.longest.Store(max(w.longest.Load(), start-asked))
		if c.records {
			w.sections = append(w.sections, section{asked, start, time.Now().UnixNano()})
		}
	})
	c.workers = append(c.workers, w)
}

func (c *crowd) start(ctx context.Context) {
	for _, w := range c.workers {
		go w.run(ctx, c.rest) // watch waits for it, but not forever: it may be stuck
	}
}

func (w *worker) run(ctx context.Context, rest time.Duration) {
	defer w.back.Store(true)
	for ctx.Err() == nil {
		w.asked.Store(time.Now().UnixNano())
		err := w.lock(ctx)
		if err != nil && ctx.Err() == nil {
			text := err.Error()
			w.failed.Store(&text)
			_ = pause(ctx, time.Millisecond) // a peer that fails at once must not keep the core busy
		}
		if rest > 0 {
			_ = pause(ctx, rest)
		}
	}
}

// watch runs the crowd through the window that begin announces, and ends it.
func (c *crowd) watch(ctx context.Context, t *trial) (answer, error) {
	from, to, err := t.begin()
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.start(ctx)

	time.Sleep(time.Until(from))
	requests, cpu, started := t.wire.requests.Load(), cpuTime(), time.Now()
	c.measuring.Store(true)
	time.Sleep(time.Until(to) / 2)
	late := -c.total()
	time.Sleep(time.Until(to))
	c.measuring.Store(false)
	requests, lasted := t.wire.requests.Load()-requests, time.Since(started)
	cpu, late, longest := cpuTime()-cpu, late+c.total(), c.longest(time.Now().UnixNano())

	cancel()
	missing := c.remain(stragglers)
	a := c.sum(lasted)
	a.Figures["longest"] = longest.Seconds()
	a.Figures["requests"], a.Figures["late"] = float64(requests), float64(late)
	if n := a.Figures["acquired"]; n > 0 {
		a.Figures["cpu/op"] = cpu.Seconds() / n
	}
	if missing > 0 {
		a.Notes = append(a.Notes, fmt.Sprintf("%d of %d goroutines did not come back when cancelled", missing, len(c.workers)))
	}
	for _, w := range c.workers {
		if n := w.inside.violations.Load(); n > 0 {
			return a, fmt.Errorf("%w: two were inside at once, %d times", errNotExclusive, n)
		}
	}
	a.Notes = append(a.Notes, c.failures()...)
	return a, nil
}

var errNotExclusive = errors.New("not a lock")

// stragglers is how long a cancelled worker may take.
const stragglers = 3 * time.Second

// remain waits for the workers, and returns how many have not ended in time.
func (c *crowd) remain(limit time.Duration) int {
	for give := time.Now().Add(limit); ; time.Sleep(time.Millisecond) {
		n := 0
		for _, w := range c.workers {
			if !w.back.Load() {
				n++
			}
		}
		if n == 0 || time.Now().After(give) {
			return n
		}
	}
}

func (c *crowd) total() int64 {
	var n int64
	for _, w := range c.workers {
		n += w.acquired.Load()
	}
	return n
}

// failures returns an error of the peer, one for all workers.
func (c *crowd) failures() []string {
	for _, w := range c.workers {
		if text := w.failed.Load(); text != nil {
			return []string{"errors such as: " + *text}
		}
	}
	return nil
}

// longest returns the longest wait. A wait that is still under way counts until now.
func (c *crowd) longest(now int64) time.Duration {
	var longest int64
	for _, w := range c.workers {
		longest = max(longest, w.longest.Load())
		if asked := w.asked.Load(); asked != 0 {
			longest = max(longest, now-asked)
		}
	}
	return time.Duration(longest)
}

// sum adds up the workers' figures in a window of the given length.
func (c *crowd) sum(lasted time.Duration) answer {
	var handed float64
	a := answer{Figures: figures{}}
	for _, w := range c.workers {
		a.Shares = append(a.Shares, float64(w.acquired.Load()))
		a.Sections = append(a.Sections, w.sections...)
		handed += float64(w.handed.Load())
	}
	n := float64(c.total())
	a.Figures["acquired"] = n
	a.Figures["ops/s"] = n / lasted.Seconds()
	if n > 0 {
		a.Figures["jain"] = jain(a.Shares)
		a.Figures["handed"] = handed / n
	}
	if handed > 0 {
		a.Figures["handoffs"] = handed
		a.Figures["time/handoff"] = lasted.Seconds() / handed
	}
	return a
}
