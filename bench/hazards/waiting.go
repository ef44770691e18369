package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

func crowd(s *stage) string {
	const waiters = 100
	holder := s.hold(s.near(long))
	c := s.near(long)
	var served atomic.Int64
	var running sync.WaitGroup
	for range waiters {
		running.Go(func() {
			ctx, cancel := context.WithTimeout(s, 2*patience)
			defer cancel()
			if c.with(ctx, key, func(context.Context, uint64) { time.Sleep(time.Millisecond) }) == nil {
				served.Add(1)
			}
		})
	}
	time.Sleep(time.Second) // until all are waiting
	count := s.count()
	check(holder.release())
	running.Wait()
	n := served.Load()
	text := fmt.Sprintf("%.1f", float64(count())/float64(max(n, 1)))
	if n < waiters {
		text += fmt.Sprintf("; **%d got nothing**", waiters-n)
	}
	return text
}

// cancelledWaiter repeats a race: of two waiters in one process, the first is cancelled
// up to 3 ms after the release, when the grant may be on its way.
func cancelledWaiter(s *stage) string {
	const rounds, together = 3, 20
	other, c := s.near(long), s.near(long)
	var longest time.Duration
	var late, deserted int // waiters that wait too long, and those that wait for a free lock
	for round := range rounds {
		var mu sync.Mutex
		var running sync.WaitGroup
		for n := range together {
			running.Go(func() {
				name := fmt.Sprint(key, round, "-", n)
				waited, free := s.race(other, c, name, time.Duration(n)*150*time.Microsecond)
				mu.Lock()
				defer mu.Unlock()
				longest = max(longest, waited)
				if waited >= tooLong {
					late++
				}
				if free {
					deserted++
				}
			})
		}
		running.Wait()
	}
	if late == 0 {
		return "the next acquires " + span(longest) + ", at worst"
	}
	return fmt.Sprintf("**the next still waits after %v, %d times of %d**; %d times the lock is free", tooLong, late, rounds*together, deserted)
}

const tooLong = 5 * time.Second

// race returns how long the second waiter waits, at most tooLong, and whether the lock is
// free by then nevertheless.
func (s *stage) race(other, c client, name string, offset time.Duration) (waited time.Duration, free bool) {
	holder := begin(s, other, name)
	if !holder.enters(patience) {
		return tooLong, false
	}
	ctx, cancel := context.WithCancel(s)
	defer cancel()
	first := begin(ctx, c, name)
	time.Sleep(settle)
	second := begin(s, c, name)
	time.Sleep(settle)

	released := time.Now()
	holder.leave()
	time.Sleep(offset)
	cancel()
	first.leave()
	defer second.leave()
	if second.enters(tooLong) {
		return second.since.Sub(released), false
	}
	n, err := s.direct.Exists(s, c.stored(name)).Result()
	return tooLong, err == nil && n == 0
}

func noSubscription(s *stage) string {
	if !s.subscribes {
		return nothing
	}
	check(s.direct.Do(s, "ACL", "SETUSER", "default", "-subscribe", "-psubscribe", "-ssubscribe", "-client|tracking").Err())
	holding, err := s.open(setting{addr: s.server.Addr(), ttl: long})
	if err != nil {
		return "refuses to start: " + quote(err)
	}
	defer holding.close()
	holder := s.hold(holding)
	waiter := begin(s, s.near(long), key)
	time.Sleep(settle)
	before := s.connections()
	time.Sleep(3 * time.Second)
	more := s.connections() - before
	began := time.Now()
	check(holder.release())
	if !waiter.enters(patience) {
		return "never acquires: " + quote(waiter.outcome())
	}
	defer waiter.end()
	return fmt.Sprintf("acquires %s; %d new connections in 3 s", span(waiter.since.Sub(began)), more)
}

// connections returns how many connections the server has had.
func (s *stage) connections() (n int) {
	stats, err := s.direct.InfoMap(s, "stats").Result()
	check(err)
	_, err = fmt.Sscan(stats["Stats"]["total_connections_received"], &n)
	check(err)
	return n
}
