package mutex_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

// failing is a store whose refreshes fail while down says so. It counts the failures of leases
// that are refreshed alone.
func failing(down func() bool) (s *store, failed func() int) {
	s = newQueued()
	var n atomic.Int64
	s.on(func(ctx context.Context, r *request) error {
		if !down() {
			return r.send(ctx)
		}
		n.Add(1)
		return errStore
	}, "refresh", "refreshAll")
	return s, func() int { return int(n.Load()) }
}

func always() bool { return true }

// once returns true the first time.
func once() func() bool {
	var asked atomic.Bool
	return func() bool { return asked.CompareAndSwap(false, true) }
}

// slowPolicy is a policy that does something slow, such as logging, before each retry.
func slowPolicy(slow time.Duration) schedule.Schedule {
	return schedule.Spaced(100 * time.Millisecond).Tap(func(schedule.Step) { time.Sleep(slow) })
}

// The store has one hiccup, and each of 200 observers and policies is slow to handle it.
func TestHazard64_NoLeaseIsLostByASlowObserverOrPolicy(t *testing.T) {
	type slow struct {
		observer time.Duration
		policy   schedule.Schedule
	}
	each(t, map[string]slow{
		"not slow":              {0, schedule.Schedule{}},
		"an observer":           {50 * time.Millisecond, schedule.Schedule{}},
		"longer than the lease": {20 * time.Second, schedule.Schedule{}},
		"a policy":              {0, slowPolicy(200 * time.Millisecond)},
	}, func(t *testing.T, c slow) {
		const n = 200
		s, _ := failing(once())
		var r recorder
		var mu sync.Mutex
		times := map[time.Time]int{}
		config := mutex.Config{TTL: 10 * time.Second, BackingFailureRetryPolicy: c.policy, Observer: func(_ context.Context, e mutex.Event) {
			if r.observe(e); e.Kind == mutex.BackingFailed {
				mu.Lock()
				times[time.Now()]++
				mu.Unlock()
				time.Sleep(c.observer)
			}
		}}
		var fibers []*effect.Fiber[effect.Void]
		for i := range n {
			fibers = append(fibers, locker(t, newMutexOf(t, s, fmt.Sprint("lock ", i), config), sleep(20*time.Second)))
		}
		join(t, fibers...)
		assert.Len(t, times, 1, "no observer waits for another")
		perKey := map[string][]mutex.EventKind{}
		for _, e := range r.events {
			perKey[e.Key] = append(perKey[e.Key], e.Kind)
			assert.Zero(t, e.Skipped)
		}
		require.Len(t, perKey, n)
		for key, kinds := range perKey {
			assert.Equal(t, []mutex.EventKind{mutex.Acquired, mutex.BackingFailed, mutex.Released}, kinds, key)
		}
	})
}

// requireCounted checks that the events are Acquired, the failures, and then last,
// that no failure was dropped in silence, and returns how many were skipped.
func requireCounted(t *testing.T, events []mutex.Event, failed int, last mutex.EventKind) (skipped int) {
	t.Helper()
	require.NotEmpty(t, events)
	require.Equal(t, mutex.Acquired, events[0].Kind)
	require.Equal(t, last, events[len(events)-1].Kind)
	for _, e := range events {
		skipped += e.Skipped
	}
	delivered := events[1 : len(events)-1]
	for _, e := range delivered {
		require.Equal(t, mutex.BackingFailed, e.Kind)
	}
	require.NotZero(t, failed)
	require.Equal(t, failed, len(delivered)+skipped)
	return skipped
}

// The observer records an event before it dawdles or ends its goroutine, as a failed assertion
// does.
func TestHazard64_WhatAnObserverMissesIsCounted(t *testing.T) {
	const hiccup = 20 * time.Second // less than a lease from the first refresh on
	type counted struct {
		observer func(mutex.Event)
		recovers bool // the store recovers in time
		skips    bool
		reported int // the number of failures, if it is known
	}
	each(t, map[string]counted{
		"quick, and lost":                {dawdles("", 0), false, false, 0},
		"slow, and lost":                 {dawdles(mutex.BackingFailed, time.Second), false, true, 0},
		"slower than the lease":          {dawdles(mutex.BackingFailed, time.Minute), false, true, 1 + 16},
		"slow to note the grant":         {dawdles(mutex.Acquired, time.Minute), false, true, 16},
		"ended, each time":               {goexit, false, true, 0},
		"as slow as the retries":         {dawdles(mutex.BackingFailed, 100*time.Millisecond), true, false, 0},
		"slow, and not lost":             {dawdles(mutex.BackingFailed, time.Second), true, true, 0},
		"slower than all the work takes": {dawdles(mutex.BackingFailed, time.Hour), true, true, 1 + 16},
	}, func(t *testing.T, c counted) {
		began := time.Now()
		s, failed := failing(func() bool { return !c.recovers || time.Since(began) < hiccup })
		var r recorder
		var inside atomic.Int32
		m := newMutex(t, s, mutex.Config{Observer: func(_ context.Context, e mutex.Event) {
			assert.EqualValues(t, 1, inside.Add(1), "one event at a time")
			defer inside.Add(-1)
			r.observe(e)
			c.observer(e)
		}})
		_, err := mutex.WithLock(m, sleep(2*time.Minute))(t.Context())
		last := mutex.Lost
		if c.recovers {
			require.NoError(t, err)
			last = mutex.Released
		}
		skipped := requireCounted(t, r.events, failed(), last)
		assert.Equal(t, c.skips, skipped > 0)
		if c.reported > 0 {
			assert.Equal(t, c.reported, failed()-skipped, "one, and those that waited")
		}
	})
}

// dawdles is an observer that takes d for each event of a kind.
func dawdles(kind mutex.EventKind, d time.Duration) func(mutex.Event) {
	return func(e mutex.Event) {
		if e.Kind == kind {
			time.Sleep(d)
		}
	}
}

func goexit(e mutex.Event) {
	if e.Kind == mutex.BackingFailed || e.Kind == mutex.Lost {
		time.Sleep(time.Second)
		runtime.Goexit()
	}
}
