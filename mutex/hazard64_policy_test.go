package mutex_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

// slowPolicy is a policy that writes a log, say, before each retry.
func slowPolicy(slow time.Duration) schedule.Schedule {
	return schedule.Spaced(100 * time.Millisecond).Tap(func(schedule.Step) { time.Sleep(slow) })
}

func TestHazard64_NoLeaseIsLostByASlowRetryPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := failing(once())
		errs := lockMany(t, s, 200, mutex.Config{TTL: 10 * time.Second, BackingFailureRetryPolicy: slowPolicy(200 * time.Millisecond)}, sleep(20*time.Second))
		for _, err := range errs {
			require.NoError(t, err)
		}
	})
}

// The one whose policy is slower than its lease is lost on time, and alone.
func TestHazard64_ALockWhosePolicyHangsIsLostAloneAndOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := failing(once())
		began, ended := time.Now(), time.Time{}
		hung := locker(t, newMutex(t, s, mutex.Config{BackingFailureRetryPolicy: slowPolicy(time.Hour)}), untilCancelled(&ended))
		fibers := make([]*effect.Fiber[effect.Void], 10)
		for i := range fibers {
			fibers[i] = locker(t, newMutexOf(t, s, fmt.Sprint("lock ", i), mutex.Config{}), sleep(2*time.Minute))
		}
		join(t, fibers...)
		_, err := hung.Join()(t.Context())
		requireLost(t, err, mutex.Expired)
		assert.Less(t, ended.Sub(began), ttl)
		time.Sleep(2 * time.Hour) // until the policy has returned
	})
}

// A policy may look at the context of the work whose lease it is about.
func TestHazard64_ARetryPolicyMayAskTheContextOfTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := failing(once())
		var held context.Context
		asked := 0
		m := newMutex(t, s, mutex.Config{BackingFailureRetryPolicy: schedule.Spaced(time.Second).WhileError(func(error) bool {
			asked++
			return held.Err() == nil
		})})
		_, err := mutex.WithLock(m, func(ctx context.Context) (effect.Void, error) {
			held = ctx //nolint:fatcontext // for the policy
			return sleep(time.Minute)(ctx)
		})(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 1, asked)
	})
}

// inquisitive is a store that makes a mutex while it is asked for its abilities.
type inquisitive struct{ *memory.Backing }

func (i *inquisitive) Abilities() backing.Abilities {
	if _, err := mutex.New(i.Backing, key, mutex.Config{}); err != nil {
		panic(err)
	}
	return i.Backing.Abilities()
}

func TestHazard64_AStoreIsAskedForItsAbilitiesUnderNoMutex(t *testing.T) {
	t.Parallel()
	made := make(chan error, 1)
	go func() {
		_, err := mutex.New(&inquisitive{memory.New()}, key, mutex.Config{})
		made <- err
	}()
	select {
	case err := <-made:
		require.NoError(t, err)
	case <-time.After(10 * time.Second):
		require.FailNow(t, "it waits for a mutex")
	}
}
