package mutex_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// failing is a store whose refreshes fail while down says so, and counts those that failed of
// leases that are refreshed alone.
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

// once is true the first time.
func once() func() bool {
	var asked atomic.Bool
	return func() bool { return asked.CompareAndSwap(false, true) }
}

// lockMany runs work under n locks at once, and returns what each ended with.
func lockMany(t *testing.T, s *store, n int, c mutex.Config, work effect.Effect[effect.Void]) []error {
	t.Helper()
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		m := newMutexOf(t, s, fmt.Sprint("lock ", i), c)
		all.Go(func() { _, errs[i] = mutex.WithLock(m, work)(t.Context()) })
	}
	all.Wait()
	return errs
}

// One hiccup of the store, which each of 200 observers takes its time to note.
func TestHazard64_NoLeaseIsLostByASlowObserver(t *testing.T) {
	each(t, map[string]time.Duration{"not slow": 0, "50 ms": 50 * time.Millisecond, "longer than the lease": 20 * time.Second}, func(t *testing.T, slow time.Duration) {
		const n = 200
		s, _ := failing(once())
		var r recorder
		var mu sync.Mutex
		times := map[time.Time]int{}
		errs := lockMany(t, s, n, mutex.Config{TTL: 10 * time.Second, Observer: func(e mutex.Event) {
			if r.observe(e); e.Kind == mutex.BackingFailed {
				mu.Lock()
				times[time.Now()]++
				mu.Unlock()
				time.Sleep(slow)
			}
		}}, sleep(20*time.Second))
		for _, err := range errs {
			require.NoError(t, err)
		}
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

type counted struct {
	slow     time.Duration
	recovers bool // the store does, in time
	skips    bool
	reported int // failures, if that is known
}

func TestHazard64_WhatASlowObserverMissesIsCounted(t *testing.T) {
	const hiccup = 20 * time.Second // less than a lease from the first refresh on
	each(t, map[string]counted{
		"quick, and lost":          {0, false, false, 0},
		"slow, and lost":           {time.Second, false, true, 0},
		"slower than the lease":    {time.Minute, false, true, 1 + 16},
		"as slow as the retries":   {100 * time.Millisecond, true, false, 0},
		"slow, and not lost":       {time.Second, true, true, 0},
		"slower than all the work": {time.Hour, true, true, 1 + 16},
	}, func(t *testing.T, c counted) {
		began := time.Now()
		s, failed := failing(func() bool { return !c.recovers || time.Since(began) < hiccup })
		var r recorder
		var inside atomic.Int32
		errs := lockMany(t, s, 1, mutex.Config{Observer: func(e mutex.Event) {
			assert.EqualValues(t, 1, inside.Add(1), "one event at a time")
			if e.Kind == mutex.BackingFailed {
				time.Sleep(c.slow)
			}
			r.observe(e) // when it has been delivered
			inside.Add(-1)
		}}, sleep(2*time.Minute))
		last := mutex.Lost
		if c.recovers {
			require.NoError(t, errs[0])
			last = mutex.Released
		}
		skipped := requireCounted(t, r.events, failed(), last)
		assert.Equal(t, c.skips, skipped > 0)
		if c.reported > 0 {
			assert.Equal(t, c.reported, failed()-skipped, "one, and those that waited")
		}
	})
}

// The observer hangs for long after the deadline; the work, and the next in line, do not wait.
func TestHazard64_TheWorkEndsOnTimeThoughTheObserverHangs(t *testing.T) {
	for _, kind := range []mutex.EventKind{mutex.Acquired, mutex.BackingFailed, mutex.Lost} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, _ := failing(always)
				began, ended := time.Now(), time.Time{}
				m := newMutex(t, s, mutex.Config{Observer: func(e mutex.Event) {
					if e.Kind == kind {
						time.Sleep(5 * time.Minute)
					}
				}})
				holder := locker(t, m, untilCancelled(&ended))
				time.AfterFunc(time.Minute, func() {
					_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), sleep(0))(t.Context())
					assert.NoError(t, err)
					assert.LessOrEqual(t, time.Since(began), 61*time.Second)
				})
				_, err := holder.Join()(t.Context())
				requireLost(t, err, mutex.Expired)
				if kind == mutex.Acquired { // which delays its own caller alone
					assert.Equal(t, 5*time.Minute, ended.Sub(began))
				} else {
					assert.Less(t, ended.Sub(began), ttl)
				}
			})
		})
	}
}
