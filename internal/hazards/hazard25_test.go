package hazards_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

// short is how long the waiters of these tests are willing to wait.
const short = 500 * time.Millisecond

// The policy of a waiter who is told when it has the lock says when to give up.
func TestHazard25_ABoundedPolicyEndsThoughNobodyLetsGo(t *testing.T) {
	t.Parallel()
	for name, policy := range map[string]schedule.Schedule{
		"after a time":  schedule.Spaced(50 * time.Millisecond).UpTo(short),
		"after 5 tries": schedule.Spaced(short / 5).Intersect(schedule.Recurs(5)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			holder := contend(t, s.process(t), key, mutex.Config{TTL: long})
			holder.enters(t, patience)
			asked, began := s.scripts(t), time.Now()
			waiter := contend(t, s.process(t), key, mutex.Config{TTL: long, AcquireRetryPolicy: policy})
			s.awaitQueue(t, 1)

			var refused *mutex.LockNotAcquiredError
			require.ErrorAs(t, waiter.gone(t, patience), &refused)
			assert.Less(t, time.Since(began), short+little)
			assert.Greater(t, refused.Waited, short-short/5)
			assert.LessOrEqual(t, s.scripts(t)-asked, 3, "it polled") // it tries, joins the queue, leaves it
			assert.Zero(t, s.queued(t))
			holder.letsGo(t)
			s.assertFree(t)
		})
	}
}

// A server that freezes while the waiter is in its queue is not asked before
// the policy ends: so the lock was not acquired, and the observer is told that the
// server did not let the waiter out of its queue. A server that does not even answer
// the first try has not said that others have the lock: that is a failure of the
// store. The one is bounded by the waiter's policy, the other by that for failures and the
// timeout of a request.
func TestHazard25_ABoundedPolicyEndsThoughTheServerIsFrozen(t *testing.T) {
	t.Parallel()
	const ttl = 3 * time.Second
	const request = ttl / 3 // (TTL - RefreshInterval) / 2
	for _, c := range []struct {
		name  string
		early bool
		limit time.Duration
	}{
		{"while it waits", false, short},
		{"before it asks", true, ttl + request},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			holder := contend(t, s.process(t), key, mutex.Config{TTL: long})
			holder.enters(t, patience)
			b := s.process(t)
			_, err := b.IsLocked(t.Context(), key) // it is connected
			require.NoError(t, err)
			if c.early {
				s.Freeze()
			}
			began := time.Now()
			waiter := contend(t, b, key, mutex.Config{TTL: ttl, AcquireRetryPolicy: schedule.Spaced(50 * time.Millisecond).UpTo(short)})
			if !c.early {
				s.awaitQueue(t, 1)
				s.Freeze()
			}
			defer s.Thaw()

			err = waiter.gone(t, patience)
			assert.Less(t, time.Since(began), c.limit+little)
			var refused *mutex.LockNotAcquiredError
			assert.Equal(t, !c.early, errors.As(err, &refused), "%v", err)
			var failed *mutex.MutexBackingError
			assert.Equal(t, c.early, errors.As(err, &failed), "%v", err)
			_, err = mutex.AwaitCleanup(b)(t.Context())
			require.NoError(t, err)
			assert.Positive(t, waiter.seen(mutex.BackingFailed))
		})
	}
}
