package mutex_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

// Promise 5: waiters of one process are served first come, first served, and
// never wait longer than the lease of a crashed holder and one retry interval.

func TestPromise5_WaitersAreServedInTheOrderInWhichTheyCame(t *testing.T) {
	each(t, stores, func(t *testing.T, open func() *store) {
		s, d := open(), &diary{}
		const n = 100
		var fibers []*effect.Fiber[effect.Void]
		var want []string
		began := time.Now()
		for i := range n {
			want = append(want, fmt.Sprint(i))
			fibers = append(fibers, locker(t, newMutex(t, s, mutex.Config{}), d.entry(t, want[i], sleep(time.Second))))
		}
		join(t, fibers...)
		assert.Equal(t, want, d.who)
		assert.Equal(t, n*time.Second, time.Since(began), "each as soon as the one before has let go")
		for i := 1; i < n; i++ {
			assert.Greater(t, d.tokens[i], d.tokens[i-1])
		}
		if s.able {
			assert.Equal(t, n-1, s.called("pass"))
			assert.Equal(t, n+1, s.called(), "one for each, and the first one's attempt")
		} else {
			assert.Equal(t, 2*n, s.called())
		}
		s.requireFree(t)
	})
}

func TestPromise5_OnlyTheFirstInLineAsksTheStore(t *testing.T) {
	each(t, stores, func(t *testing.T, open func() *store) {
		s := open()
		s.take()
		ctx, cancel := context.WithCancel(t.Context())
		for range 1000 {
			_, err := effect.Fork(mutex.WithLock(newMutex(t, s, mutex.Config{}), effect.Succeed(1)))(ctx)
			require.NoError(t, err)
		}
		time.Sleep(10*time.Second + time.Millisecond)
		if s.able {
			assert.Equal(t, 1, s.called())
		} else {
			assert.Equal(t, 101, s.called(), "one at first, and one each 100 ms")
		}
		cancel()
		synctest.Wait()
	})
}

func TestPromise5_ALockOfACrashedHolderIsHadWhenItsLeaseEnds(t *testing.T) {
	each(t, stores, func(t *testing.T, open func() *store) {
		s := open()
		require.True(t, s.grant("crashed", 20*time.Second+50*time.Millisecond))
		began := time.Now()
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), effect.Succeed(1))(t.Context())
		require.NoError(t, err)
		if s.able {
			assert.Equal(t, 20*time.Second+50*time.Millisecond, time.Since(began))
			assert.Equal(t, 2, s.called("enqueue"), "it did not poll")
		} else {
			assert.Equal(t, 20*time.Second+100*time.Millisecond, time.Since(began))
		}
	})
}

func TestPromise5_AWaiterWhoLeavesHoldsUpNobody(t *testing.T) {
	each(t, stores, func(t *testing.T, open func() *store) {
		s, d := open(), &diary{}
		holder := locker(t, newMutex(t, s, mutex.Config{}), sleep(time.Second))
		var stay []*effect.Fiber[effect.Void]
		var leave []func()
		for i := range 5 {
			m := newMutex(t, s, mutex.Config{AcquireRetryInterval: time.Hour})
			if i%2 == 0 { // the first, one in the middle, and the last
				leave = append(leave, leaver(t, m))
			} else {
				stay = append(stay, locker(t, m, d.entry(t, fmt.Sprint(i), sleep(0))))
			}
		}
		for _, leave := range leave {
			leave()
		}
		join(t, holder)
		join(t, stay...)
		assert.Equal(t, []string{"1", "3"}, d.who)
	})
}

// The next in line asks at once, without waiting for its policy.
func TestPromise5_WhatIsFreedOnTheWayOutWakesTheLine(t *testing.T) {
	each(t, map[string]freed{
		"a lock that was lost":                    {"refresh", breaks, sleep(time.Hour), 2 * time.Hour, 2 * time.Hour, ttl},
		"a lost lock whose work runs on":          {"refresh", hangs, oblivious(time.Hour), 2 * time.Hour, 0, ttl + 100*time.Millisecond},
		"an acquire that was cancelled":           {"tryAcquire", first(1, loses), sleep(0), time.Second, 2 * time.Hour, time.Second + cleaningUp},
		"an acquire that is still cleaned up":     {"tryAcquire release", first(1, hangs), sleep(0), time.Second, 2 * time.Hour, time.Second + cleaningUp},
		"an acquire that ended as it was granted": {"tryAcquire", first(1, grantsAtTheEnd), sleep(0), time.Second, 2 * time.Hour, time.Second + cleaningUp},
	}, func(t *testing.T, c freed) {
		s := newStore()
		s.on(c.fault, strings.Fields(c.operation)...)
		ctx, cancel := context.WithTimeout(t.Context(), c.caller)
		defer cancel()
		began := time.Now()
		before := lockerIn(ctx, t, newMutex(t, s, mutex.Config{}), c.work)
		next := newMutex(t, s, mutex.Config{AcquireRetryInterval: c.interval})
		waited, err := mutex.WithLock(next, func(context.Context) (time.Duration, error) { return time.Since(began), nil })(t.Context())
		require.NoError(t, err)
		assert.LessOrEqual(t, waited, c.limit)
		_, err = before.Join()(t.Context())
		require.Error(t, err)
	})
}

// grantsAtTheEnd answers when the caller leaves.
func grantsAtTheEnd(ctx context.Context, r *request) error {
	err := r.send(ctx)
	<-ctx.Done()
	return err
}

type freed struct {
	operation string
	fault     fault
	work      effect.Effect[effect.Void] // of the first waiter
	caller    time.Duration              // when its caller leaves
	interval  time.Duration              // of the next waiter
	limit     time.Duration
}

func TestPromise5_AWaiterDoesNotWaitByThePolicyOfTheOneBeforeIt(t *testing.T) {
	each(t, map[string]schedule.Schedule{
		"when it asks more often": schedule.Spaced(100 * time.Millisecond),
		"when it gives up":        schedule.Spaced(time.Minute + 100*time.Millisecond).Intersect(schedule.Once()),
	}, func(t *testing.T, policy schedule.Schedule) {
		s := newStore()
		s.take()
		before := locker(t, newMutex(t, s, mutex.Config{AcquireRetryInterval: time.Hour}), sleep(0))
		began := time.Now()
		time.AfterFunc(time.Minute, s.loseData)
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{AcquireRetryPolicy: policy}), effect.Succeed(2))(t.Context())
		if err != nil {
			requireA[*mutex.LockNotAcquiredError](t, err) // it does not overtake
		}
		join(t, before)
		assert.LessOrEqual(t, time.Since(began), time.Minute+200*time.Millisecond)
	})
}

func TestPromise5_AWaiterThatIsWokenInVainKeepsToItsPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.on(func(ctx context.Context, r *request) error {
			defer s.grant("somebody else", time.Hour) // a claimant that is quicker than our own waiter
			return r.send(ctx)
		}, "release")
		locker(t, newMutex(t, s, mutex.Config{}), sleep(500*time.Millisecond))
		began := time.Now()
		waiter := newMutex(t, s, mutex.Config{AcquireRetryPolicy: schedule.Spaced(time.Second).Intersect(schedule.Once())})
		_, err := mutex.WithLock(waiter, effect.Succeed(1))(t.Context())
		requireA[*mutex.LockNotAcquiredError](t, err)
		assert.Equal(t, time.Second, time.Since(began), "the release at 0.5 s was no step of the policy")
		assert.Equal(t, 3, s.called("tryAcquire"), "the holder's; the waiter's when woken, and after 1 s")
	})
}
