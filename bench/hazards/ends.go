package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

func cancelledCaller(s *stage) string {
	c := s.near(lease)
	ctx, cancel := context.WithCancel(s)
	defer cancel()
	h := begin(ctx, c, key)
	if !h.enters(patience) {
		return "not acquired: " + quote(h.outcome())
	}
	cancel()
	if !h.isTold(patience) {
		return "the work is not cancelled"
	}
	err := h.release()
	return s.afterwards(c) + "; " + quote(err)
}

func panickingWork(s *stage) string {
	c := s.near(lease)
	var seen any
	func() {
		defer func() { seen = recover() }()
		check(c.with(s, key, func(context.Context, uint64) { panic("boom") }))
	}()
	text := s.afterwards(c)
	if fmt.Sprint(seen) == "boom" {
		return text + "; the panic continues"
	}
	return text + fmt.Sprintf("; the panic becomes %T", seen)
}

// afterwards says when the lock is free once the call is over.
func (s *stage) afterwards(c client) string {
	if free := s.freeAfter(c); free > settle {
		return "**held for another " + seconds(free) + "**"
	}
	return "released"
}

func atOnce(s *stage) string {
	const times, workers = 5_000, 4
	c := s.near(lease)
	var running sync.WaitGroup
	for n := range workers {
		running.Go(func() {
			for range times / workers {
				_ = c.with(s, key+string(rune('0'+n)), func(context.Context, uint64) {})
			}
		})
	}
	running.Wait()
	time.Sleep(2 * lease) // a key that outlives its lease is being renewed
	var left int
	for n := range workers {
		left += int(s.direct.Exists(s, c.stored(key+string(rune('0'+n)))).Val())
	}
	if left > 0 {
		return fmt.Sprintf("**%d keys are renewed**", left)
	}
	return "no key left"
}
