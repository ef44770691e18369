package hazards_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/IBM/fp-go/v2/option"
	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
	"github.com/effectlock/effectlock/schedule"
)

const (
	// handsOn is an argument that enqueue, pass and release have, which may hand a
	// lock on, and no other request: how long the fence outlives the lease.
	handsOn = "3600000"

	// renews is an argument that only the refresh of a single lease has: how many
	// keys it is about.
	renews = "2"

	// pause is how long after a failure a request is repeated: time for a look at
	// what the server has.
	pause = 100 * time.Millisecond

	// soon is by when a lock is free that would be held for a minute if it were
	// forgotten.
	soon = 5 * time.Second

	// handful is the waiters that a process serves before others have their turn,
	// and a few more.
	handful = 12
)

// acquiring are the ways to get a lock; work runs if it has been got.
var acquiring = map[string]func(m *mutex.Mutex, work effect.Effect[effect.Void]) effect.Effect[effect.Void]{
	"WithLock": mutex.WithLock[effect.Void],
	"WithLockIfAvailable": func(m *mutex.Mutex, work effect.Effect[effect.Void]) effect.Effect[effect.Void] {
		return func(ctx context.Context) (effect.Void, error) {
			_, err := mutex.WithLockIfAvailable(m, work)(ctx)
			return effect.Void{}, err
		}
	},
	"Acquire": func(m *mutex.Mutex, work effect.Effect[effect.Void]) effect.Effect[effect.Void] {
		return effect.Scoped(func(s *effect.Scope) effect.Effect[effect.Void] {
			return func(ctx context.Context) (effect.Void, error) {
				if _, err := m.Acquire(s)(ctx); err != nil {
					return effect.Void{}, err
				}
				return work(ctx)
			}
		})
	},
	"TryAcquire": func(m *mutex.Mutex, work effect.Effect[effect.Void]) effect.Effect[effect.Void] {
		return effect.Scoped(func(s *effect.Scope) effect.Effect[effect.Void] {
			return func(ctx context.Context) (effect.Void, error) {
				lock, err := m.TryAcquire(s)(ctx)
				if err != nil || option.IsNone(lock) {
					return effect.Void{}, err
				}
				return work(ctx)
			}
		})
	},
}

func newMutex(t *testing.T, b backing.Backing, key string, c mutex.Config) *mutex.Mutex {
	t.Helper()
	m, err := mutex.New(b, key, c)
	require.NoError(t, err)
	return m
}

// newTrainedStore is a server that knows all scripts, so that a reply that is lost
// is not the one which says that a script is unknown.
func newTrainedStore(t *testing.T) store {
	t.Helper()
	s := newStore(t)
	b := s.process(t)
	ctx := t.Context()
	waiter := func(holder string) backing.Waiter {
		return backing.Waiter{
			Claim:   backing.Claim{Key: "training", Holder: holder, TTL: long},
			Granted: func(backing.Handed) {},
			Retry:   func() {},
		}
	}
	_, err := b.TryAcquire(ctx, waiter("a").Claim)
	require.NoError(t, err)
	_, err = b.Refresh(ctx, waiter("a").Claim)
	require.NoError(t, err)
	_, err = b.Enqueue(ctx, waiter("b"))
	require.NoError(t, err)
	_, _, err = b.Pass(ctx, "a", waiter("c"), false)
	require.NoError(t, err)
	for _, holder := range []string{"b", "c"} {
		_, err = b.Release(ctx, "training", holder)
		require.NoError(t, err)
	}
	s.assertFree(t)
	return s
}

// connect has a process do what only its first acquire does.
func connect(t *testing.T, b *redis.Backing) {
	t.Helper()
	_, err := b.TryAcquire(t.Context(), backing.Claim{Key: "first", Holder: "a", TTL: long})
	require.NoError(t, err)
	_, err = b.Release(t.Context(), "first", "a")
	require.NoError(t, err)
}

// lossy is a process to which replies get lost.
type lossy struct {
	store
	network *redistest.Proxy
	b       *redis.Backing
	fails   bool // the mutex sees that, and repeats the request; else its client may
}

// eachRepeater runs a test with a client that repeats requests by itself, but for
// those that may be granted, and with one that leaves all to the mutex.
func eachRepeater(t *testing.T, test func(t *testing.T, f lossy)) {
	t.Helper()
	for name, fails := range map[string]bool{"the client repeats it": false, "the mutex repeats it": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTrainedStore(t)
			p := redistest.NewProxy(t, s.Addr())
			o := &goredis.Options{Addr: p.Addr(), MinRetryBackoff: pause, MaxRetryBackoff: pause}
			if fails {
				o.MaxRetries = -1
			}
			c := goredis.NewClient(o)
			t.Cleanup(func() { _ = c.Close() })
			b := redis.New(c)
			connect(t, b)
			test(t, lossy{s, p, b, fails})
		})
	}
}

// config is that of a mutex which repeats requests as fast as the client does.
func (lossy) config() mutex.Config {
	return mutex.Config{TTL: long, BackingFailureRetryPolicy: schedule.Spaced(pause)}
}

// assertLost asserts that so many replies were lost so far, and that the mutex
// had to repeat the requests if the client did not.
func (f lossy) assertLost(t *testing.T, n int, who ...*contender) {
	t.Helper()
	assert.Equal(t, n, f.network.Dropped())
	failures := 0
	for _, c := range who {
		failures += c.seen(mutex.BackingFailed)
	}
	if f.fails {
		assert.GreaterOrEqual(t, failures, n)
	}
}

// grant is the last grant of the lock, as the server remembers it, "" if there was none.
func (s store) grant(t *testing.T) string {
	t.Helper()
	grant, err := s.direct.Get(t.Context(), "fence:{dmutex:"+key+"}").Result()
	if errors.Is(err, goredis.Nil) {
		return ""
	}
	require.NoError(t, err)
	return grant
}

// grant is the same as the contender knows it.
func (c *contender) grant() string { return fmt.Sprintf("%d %s", c.token, c.holder) }

// assertHolds asserts that the server and the contender agree that it has the
// lock, and about its token.
func (s store) assertHolds(t *testing.T, c *contender) {
	t.Helper()
	holder, err := s.direct.Get(t.Context(), "dmutex:"+key).Result()
	require.NoError(t, err)
	assert.Equal(t, c.holder, holder)
	assert.Equal(t, s.grant(t), c.grant())
}

// assertOutside asserts that the contender has not got the lock so far.
func assertOutside(t *testing.T, c *contender) {
	t.Helper()
	select {
	case <-c.inside:
		assert.Fail(t, "two are inside")
	default:
	}
}

// isFree waits until nobody has a lock or waits for one, and fails the test after
// the limit.
func (s store) isFree(t *testing.T, limit time.Duration) {
	t.Helper()
	var left []string
	for give := time.Now().Add(limit); ; time.Sleep(look) {
		left = nil
		for _, pattern := range []string{"dmutex:*", "queue:*"} {
			keys, err := s.direct.Keys(t.Context(), pattern).Result()
			require.NoError(t, err)
			left = append(left, keys...)
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(give) {
			require.FailNow(t, "still held", "after %v: %v", limit, left)
		}
	}
}

// forgetful is a store in memory that applies requests and loses their replies.
type forgetful struct {
	*memory.Backing
	loses func(operation string) bool // is called by all that ask at once
}

func (f *forgetful) Enqueue(ctx context.Context, w backing.Waiter) (backing.Standing, error) {
	standing, err := f.Backing.Enqueue(ctx, w)
	if f.loses("enqueue") {
		<-ctx.Done()
		return backing.Standing{}, ctx.Err()
	}
	return standing, err
}

func (f *forgetful) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	held, err := f.Backing.Refresh(ctx, c)
	if f.loses("refresh") {
		<-ctx.Done()
		return false, ctx.Err()
	}
	return held, err
}

// pulse is what a process can tell of its own state: for how long it did not run.
// No lock stops work that the machine does not run, so a test of when work stops
// takes off that time. On a machine that is idle it is next to nothing.
type pulse struct {
	stop chan struct{}
	done chan time.Duration
}

func newPulse() *pulse {
	p := &pulse{stop: make(chan struct{}), done: make(chan time.Duration, 1)}
	go func() {
		var longest time.Duration
		ticker := time.NewTicker(look)
		defer ticker.Stop()
		for last := time.Now(); ; {
			select {
			case <-ticker.C:
			case <-p.stop:
			}
			now := time.Now()
			longest = max(longest, now.Sub(last))
			last = now
			select {
			case <-p.stop:
				p.done <- longest
				return
			default:
			}
		}
	}()
	return p
}

// longestPause ends the measurement.
func (p *pulse) longestPause() time.Duration {
	close(p.stop)
	return <-p.done
}
