package mutex_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

// Promise 1: WithLock succeeds only if the lease was ours for as long as the work ran.

func TestPromise1_AHeldLockIsRefreshedForAsLongAsTheWorkRuns(t *testing.T) {
	// A policy that would wait beyond the deadline does not: there is time for a try.
	each(t, map[string]struct {
		config mutex.Config
		fault  fault
		work   time.Duration
		tries  int // 0 if that is not the point
	}{
		"each 10 s by default":           {mutex.Config{}, nil, 10*ttl - time.Second, 29},
		"as often as configured":         {mutex.Config{TTL: time.Minute, RefreshInterval: 7 * time.Second}, nil, 71 * time.Second, 10},
		"a store that fails for 19 s":    {mutex.Config{}, first(190, fails), 2 * ttl, 0},
		"a policy that ends":             {mutex.Config{BackingFailureRetryPolicy: schedule.Stop()}, first(1, fails), 2 * ttl, 0},
		"exponential, in a short outage": {mutex.Config{BackingFailureRetryPolicy: schedule.Exponential(100 * time.Millisecond)}, outage(13 * time.Second), 2 * ttl, 0},
		"few retries, in one":            {mutex.Config{BackingFailureRetryPolicy: schedule.Recurs(3), RefreshInterval: 20 * time.Second}, outage(time.Second), 2 * ttl, 0},
		"no retry, in one":               {mutex.Config{BackingFailureRetryPolicy: schedule.Stop(), RefreshInterval: 15 * time.Second}, outage(time.Second), 2 * ttl, 0},
		"long delays, in one":            {mutex.Config{BackingFailureRetryPolicy: schedule.Spaced(20 * time.Second)}, outage(time.Second), 2 * ttl, 0},
	}, func(t *testing.T, c struct {
		config mutex.Config
		fault  fault
		work   time.Duration
		tries  int
	},
	) {
		s := newStore()
		s.on(c.fault, "refresh")
		_, err := mutex.WithLock(newMutex(t, s, c.config), sleep(c.work))(t.Context())
		require.NoError(t, err)
		if c.tries > 0 {
			assert.Equal(t, c.tries, s.called("refresh"))
		}
		s.requireFree(t)
	})
}

func TestPromise1_WorkThatOutlivesItsLeaseHasLostIt(t *testing.T) {
	each(t, map[string]fault{
		"the store fails":           fails,
		"the store does not answer": hangs,
		"the store ignores the end of the request": func(context.Context, *request) error {
			time.Sleep(2 * ttl)
			return errStore
		},
		"the store says yes, but too late": late(2 * ttl),
	}, func(t *testing.T, refresh fault) {
		s := newStore()
		s.on(refresh, "refresh")
		work := effect.As[effect.Void](42)(oblivious(ttl + time.Millisecond))
		a, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), work)(t.Context())
		defer time.Sleep(2 * ttl) // for the store, which may be busy still
		lost := requireLost(t, err, mutex.Expired)
		require.Equal(t, key, lost.Key)
		require.Equal(t, 42, a, "the value is returned beside the error")
		if s.called("refresh") > 100 {
			require.ErrorIs(t, err, errStore, "what the store last failed with")
		}
	})
}

func TestPromise1_TheStoreSaysThatTheLockIsLost(t *testing.T) {
	for reason, happen := range map[mutex.LossReason]func(*store){mutex.Taken: (*store).take, mutex.Gone: (*store).loseData} {
		each(t, map[string]struct{ work, found time.Duration }{
			string(reason) + ", in answer to a refresh": {ttl, 10 * time.Second},
			string(reason) + ", at the release":         {0, 0},
		}, func(t *testing.T, c struct{ work, found time.Duration }) {
			s := newStore()
			began := time.Now()
			a, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), func(ctx context.Context) (int, error) {
				happen(s)
				_, err := sleep(c.work)(ctx)
				return 42, err
			})(t.Context())
			requireLost(t, err, reason)
			assert.Equal(t, 42, a)
			assert.Equal(t, c.found, time.Since(began))
			assert.Equal(t, reason == mutex.Taken, s.holder() == "somebody else", "the key is neither taken back nor freed")
		})
	}
}

func TestPromise1_AnInterruptedKeepAliveLosesTheLeaseAtItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := mutex.WithLock(newMutex(t, newStore(), mutex.Config{}), func(ctx context.Context) (effect.Void, error) {
			lock, _ := mutex.FromContext(ctx)
			exit, err := lock.Interrupt()(ctx)
			require.NoError(t, err)
			require.True(t, exit.IsInterruption())
			return sleep(2 * ttl)(ctx)
		})(t.Context())
		requireLost(t, err, mutex.Expired)
		require.LessOrEqual(t, time.Since(began), ttl)
	})
}
