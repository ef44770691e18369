package mutex_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// failRefreshes fails all refreshes while down says so, and returns how many failed.
func failRefreshes(s *queued, down func() bool) (failed func() int) {
	var n atomic.Int64
	setHook(s, &s.refreshAll, func(ctx context.Context, claims []backing.Claim) []backing.Refreshed {
		if !down() {
			return s.real().RefreshAll(ctx, claims)
		}
		n.Add(int64(len(claims)))
		return slices.Repeat([]backing.Refreshed{{Err: errStore}}, len(claims))
	})
	s.refresh = func(ctx context.Context, c backing.Claim) (bool, error) {
		if !down() {
			return s.real().Refresh(ctx, c)
		}
		n.Add(1)
		return false, errStore
	}
	return func() int { return int(n.Load()) }
}

func always() bool { return true }

// firstTime is true once.
func firstTime() func() bool {
	var once sync.Once
	return func() (first bool) {
		once.Do(func() { first = true })
		return first
	}
}

// lockMany runs work under n locks at once, and returns what each ended with.
func lockMany(t *testing.T, s *queued, n int, c mutex.Config, work effect.Effect[effect.Void]) []error {
	t.Helper()
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		m, err := mutex.New(s, fmt.Sprint("lock ", i), c)
		require.NoError(t, err)
		all.Go(func() { _, errs[i] = mutex.WithLock(m, work)(t.Context()) })
	}
	all.Wait()
	return errs
}

// One hiccup of the store, which each of 200 observers takes its time to note.
func TestHazard64_NoLeaseIsLostByASlowObserver(t *testing.T) {
	t.Parallel()
	for _, slow := range []time.Duration{0, 10 * time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond, 20 * time.Second} {
		t.Run(slow.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const n = 200
				s := newQueued()
				failed := failRefreshes(s, firstTime())
				var r recorder
				times := map[time.Time]int{}
				errs := lockMany(t, s, n, mutex.Config{TTL: 10 * time.Second, Observer: func(e mutex.Event) {
					if r.observe(e); e.Kind == mutex.BackingFailed {
						r.mu.Lock()
						times[time.Now()]++
						r.mu.Unlock()
						time.Sleep(slow)
					}
				}}, sleep(20*time.Second))
				for _, err := range errs {
					require.NoError(t, err)
				}
				assert.Equal(t, n, failed())
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
		})
	}
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

func TestHazard64_WhatASlowObserverMissesIsCounted(t *testing.T) {
	t.Parallel()
	const hiccup = 20 * time.Second // less than a lease from the first refresh on
	for name, c := range map[string]struct {
		slow     time.Duration
		recovers bool // the store does, in time
		skips    bool
		last     mutex.EventKind
		reported int // failures, if that is known
	}{
		"quick, and lost":          {0, false, false, mutex.Lost, 0},
		"slow, and lost":           {time.Second, false, true, mutex.Lost, 0},
		"slower than the lease":    {time.Minute, false, true, mutex.Lost, 1 + 16},
		"as slow as the retries":   {100 * time.Millisecond, true, false, mutex.Released, 0},
		"slow, and not lost":       {time.Second, true, true, mutex.Released, 0},
		"slower than all the work": {time.Hour, true, true, mutex.Released, 1 + 16},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, began := newQueued(), time.Now()
				failed := failRefreshes(s, func() bool { return !c.recovers || time.Since(began) < hiccup })
				var r recorder
				inside := 0
				errs := lockMany(t, s, 1, mutex.Config{Observer: func(e mutex.Event) {
					r.mu.Lock()
					inside++
					assert.Equal(t, 1, inside, "one event at a time")
					r.mu.Unlock()
					if e.Kind == mutex.BackingFailed {
						time.Sleep(c.slow)
					}
					r.observe(e) // when it has been delivered
					r.mu.Lock()
					inside--
					r.mu.Unlock()
				}}, sleep(2*time.Minute))
				assert.Equal(t, c.last == mutex.Released, errs[0] == nil, "%v", errs[0])
				skipped := requireCounted(t, r.events, failed(), c.last)
				assert.Equal(t, c.skips, skipped > 0)
				if c.reported > 0 {
					assert.Equal(t, c.reported, failed()-skipped, "one, and those that waited")
				}
			})
		})
	}
}
