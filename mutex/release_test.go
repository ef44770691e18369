package mutex_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// ends are the events with which a lock that was acquired ends.
type ends struct {
	mu    sync.Mutex
	kinds []mutex.EventKind
}

func (e *ends) observe(event mutex.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch event.Kind {
	case mutex.Released, mutex.ReleaseFailed, mutex.Lost:
		e.kinds = append(e.kinds, event.Kind)
	case mutex.Acquired, mutex.Waiting, mutex.Polling, mutex.NotAcquired, mutex.BackingFailed:
	}
}

// forceRelease frees the lock as an operator would who takes it for stuck.
func forceRelease(t *testing.T, b backing.Backing) {
	t.Helper()
	holding, err := b.GetHolder(t.Context(), key)
	require.NoError(t, err)
	holder, ok := option.Unwrap(holding)
	require.True(t, ok)
	released, err := b.Release(t.Context(), key, holder)
	require.NoError(t, err)
	require.True(t, released)
}

func TestALockThatIsReleasedByHandIsLost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config mutex.Config
		waiter bool // of the same process, so that the lock is passed on
		taken  bool // by another process meanwhile
	}{
		"and is free since":                       {},
		"and another had it since":                {taken: true},
		"with a given holder id":                  {config: mutex.Config{HolderID: "job"}},
		"and has a waiter":                        {waiter: true},
		"with a given holder id and has a waiter": {config: mutex.Config{HolderID: "job"}, waiter: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b, e := memory.New(), &ends{}
				c.config.Observer = e.observe
				holder := locker(t, newMutex(t, b, c.config), sleep(2*time.Second))
				arrived()
				var waiter *effect.Fiber[effect.Void]
				if c.waiter {
					waiter = locker(t, newMutex(t, b, mutex.Config{}), sleep(0))
				}
				time.Sleep(time.Second)
				forceRelease(t, b)
				if c.taken {
					_, err := b.TryAcquire(t.Context(), backing.Claim{Key: key, Holder: "another", TTL: time.Minute})
					require.NoError(t, err)
				}
				_, err := holder.Join()(t.Context())
				requireLost(t, err, mutex.Gone)
				assert.Equal(t, []mutex.EventKind{mutex.Lost}, e.kinds)
				if waiter != nil {
					join(t, waiter)
				}
			})
		})
	}
}

func TestAReleaseWhoseReplyIsLostStaysASuccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, e := newQueued(), &ends{}
		var found []backing.Released
		setHook(s, &s.releaseClaim, func(ctx context.Context, c backing.Claim) (backing.Released, error) {
			released, err := s.real().ReleaseClaim(ctx, c)
			if found = append(found, released); len(found) < 3 {
				return backing.NotHeld, errStore
			}
			return released, err
		})
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{Observer: e.observe}), sleep(time.Second))(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []backing.Released{backing.FreedNow, backing.FreedEarlier, backing.FreedEarlier}, found)
		assert.Equal(t, []mutex.EventKind{mutex.Released}, e.kinds)
	})
}

func TestARefusedHandoverIsFollowedByARelease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, d := newQueued(), &diary{}
		m := newMutex(t, s, mutex.Config{})
		holder := locker(t, m, d.entry(t, "holder", sleep(time.Second)))
		arrived()
		next := locker(t, m, d.entry(t, "next", sleep(time.Second)))
		arrived()
		began := time.Now()
		setHook(s, &s.pass, func(context.Context, backing.Claim, backing.Waiter, bool) (backing.Outcome, error) {
			setHook(s, &s.pass, nil)
			return backing.Refused{}, nil
		})
		join(t, holder, next)
		assert.Equal(t, []string{"holder", "next"}, d.who)
		assert.Less(t, time.Since(began), 3*time.Second)
		s.requireFree(t)
	})
}

func TestAttemptsTellApartTheAcquisitionsUnderOneHolderID(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newStore()
	var claims []backing.Claim
	s.tryAcquire = func(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
		claims = append(claims, c)
		return s.real().TryAcquire(ctx, c)
	}
	given, random := newMutex(t, s, mutex.Config{HolderID: "job"}), newMutex(t, s, mutex.Config{})
	for range 2 {
		_, err := mutex.WithLock(given, sleep(0))(ctx)
		require.NoError(t, err)
		_, err = mutex.WithLockIfAvailable(given, sleep(0))(ctx)
		require.NoError(t, err)
	}
	attempts := map[string]bool{}
	for _, c := range claims {
		assert.Equal(t, "job", c.Holder)
		attempts[c.Attempt] = true
	}
	assert.Len(t, attempts, 4)
	assert.NotContains(t, attempts, "")

	claims = nil
	_, err := mutex.WithLock(random, sleep(0))(ctx)
	require.NoError(t, err)
	require.Len(t, claims, 1)
	assert.Empty(t, claims[0].Attempt, "the holder id is not used again")
}

// counting embeds a store with abilities, and overrides one operation.
type counting struct {
	*memory.Backing
	refreshes atomic.Int64
}

func (c *counting) Refresh(ctx context.Context, claim backing.Claim) (bool, error) {
	c.refreshes.Add(1)
	return c.Backing.Refresh(ctx, claim)
}

func TestADecoratorIsAskedForEachLeaseThatIsDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &counting{Backing: memory.New()}
		_, err := effect.Scoped(func(scope *effect.Scope) effect.Effect[effect.Void] {
			return func(ctx context.Context) (none effect.Void, err error) {
				for _, name := range []string{"a", "b", "c"} {
					m, err := mutex.New(c, name, mutex.Config{})
					require.NoError(t, err)
					_, err = m.Acquire(scope)(ctx)
					require.NoError(t, err)
				}
				time.Sleep(ttl/3 + time.Second)
				return none, nil
			}
		})(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 3, c.refreshes.Load())
	})
}
