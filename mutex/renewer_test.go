package mutex_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

//nolint:paralleltest // it counts goroutines
func TestLeasesThatAreDueTogetherAreRefreshedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		const n = 1000
		err := holdMany(t, s, n, mutex.Config{}, func(context.Context, []*mutex.KeepAlive) {
			before := runtime.NumGoroutine()
			time.Sleep(10*time.Minute + time.Second)
			assert.Equal(t, 60*n/250, s.called("refreshAll"))
			assert.Zero(t, s.called("refresh"))
			assert.LessOrEqual(t, runtime.NumGoroutine(), before+n/10, "held locks are no goroutines")
		})
		require.NoError(t, err)
	})
}

func TestALeaseThatIsGoneIsLostAloneAmongThoseRefreshedWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		err := holdMany(t, s, 100, mutex.Config{}, func(ctx context.Context, locks []*mutex.KeepAlive) {
			_, err := s.real().Release(ctx, locks[42].Key(), locks[42].HolderID())
			require.NoError(t, err)
			time.Sleep(time.Minute)
			for i, lock := range locks {
				assert.Equal(t, i == 42, option.IsSome(lock.Poll()), "lock %d", i)
			}
		})
		requireLost(t, err, mutex.Gone)
		assert.Equal(t, "lock 42", asA[*mutex.LockLostError](t, err).Key)
	})
}

// A holder that releases while its lease is being refreshed with others waits for the
// answer, which the others get too. If its lease is refreshed alone, it cuts that short.
func TestALockIsLetGoOnlyWhenItsRefreshHasEnded(t *testing.T) {
	each(t, map[string]int{"with others": 2, "alone": 1}, func(t *testing.T, locks int) {
		s := newQueued()
		inFlight := make(chan struct{}, 10)
		s.on(func(ctx context.Context, r *request) error {
			inFlight <- struct{}{}
			time.Sleep(time.Second)
			assert.NoError(t, ctx.Err(), "cancelled, though one of them is still held")
			return r.send(ctx)
		}, "refreshAll")
		s.on(func(ctx context.Context, r *request) error {
			inFlight <- struct{}{}
			return hangs(ctx, r)
		}, "refresh")
		require.NoError(t, holdMany(t, s, locks, mutex.Config{}, func(ctx context.Context, held []*mutex.KeepAlive) {
			<-inFlight
			began := time.Now()
			exit, err := held[0].Interrupt()(ctx)
			require.NoError(t, err)
			assert.True(t, exit.IsInterruption())
			assert.Equal(t, time.Duration(locks-1)*time.Second, time.Since(began))
		}))
	})
}

func TestARefreshThatFailsIsRepeatedAsThePolicySaysFromItsBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		last := time.Now()
		var waits []time.Duration
		s.on(func(ctx context.Context, r *request) error {
			waits, last = append(waits, time.Since(last)), time.Now()
			if r.n == 4 || r.n > 5 {
				return r.send(ctx)
			}
			return errStore
		}, "refresh")
		m := newMutex(t, s, mutex.Config{BackingFailureRetryPolicy: schedule.Exponential(time.Second)})
		_, err := mutex.WithLock(m, sleep(30*time.Second))(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []time.Duration{10 * time.Second, time.Second, 2 * time.Second, 4 * time.Second, 10 * time.Second, time.Second}, waits)
	})
}

func TestAStoreThatPanicsOrMiscountsInARefreshLosesNothingByThat(t *testing.T) {
	type variant struct {
		locks     int
		misbehave func(*request)
	}
	each(t, map[string]variant{
		"a panic":          {2, func(*request) { panic("boom") }},
		"a panic, alone":   {1, func(*request) { panic("boom") }},
		"too few answers":  {2, func(r *request) { r.answer = []backing.Refreshed{} }},
		"too many answers": {2, func(r *request) { r.answer = make([]backing.Refreshed, 3) }},
	}, func(t *testing.T, c variant) {
		s, r := newQueued(), recorder{}
		s.on(first(5, func(_ context.Context, r *request) error {
			c.misbehave(r)
			return nil
		}), "refresh", "refreshAll")
		require.NoError(t, holdMany(t, s, c.locks, mutex.Config{Observer: mutex.Observe(r.observe)}, func(context.Context, []*mutex.KeepAlive) { time.Sleep(time.Minute) }))
		assert.NotEmpty(t, r.of(mutex.BackingFailed))
	})
}
