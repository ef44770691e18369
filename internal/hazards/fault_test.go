package hazards_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/IBM/fp-go/v2/option"
	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
	"github.com/effectlock/effectlock/schedule"
)

const (
	// queues is what only a request for a place in the queue has, of those that ask
	// for a lease of a minute: behind the lease, the letter that says so.
	queues = "60000\r\n$1"

	// renews is an argument that the refresh of a single lease has, and neither a
	// request for a lock nor the release by a holder with a random id: how many
	// keys it is about.
	renews = "1"

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
	t.Cleanup(func() {
		_, err := mutex.AwaitCleanup(b)(context.Background())
		assert.NoError(t, err)
	})
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
			Claim: backing.Claim{Key: "training", Holder: holder, TTL: long},
			Wake:  func() {},
		}
	}
	_, err := b.TryAcquire(ctx, waiter("a").Claim)
	require.NoError(t, err)
	_, err = b.Refresh(ctx, waiter("a").Claim)
	require.NoError(t, err)
	_, err = b.Enqueue(ctx, waiter("b"))
	require.NoError(t, err)
	_, err = b.Pass(ctx, waiter("a").Claim, waiter("c"), false)
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
	fails   bool // the mutex sees that a refresh has no reply; else its client repeats it
}

// eachRepeater runs a test with a client that may repeat requests by itself, which
// it does with refreshes alone, and with one that leaves all to the mutex.
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

// assertLost asserts that so many replies to other requests than refreshes were lost
// so far, and that the mutex had to repeat the requests.
func (f lossy) assertLost(t *testing.T, n int, who ...*contender) {
	t.Helper()
	assert.Equal(t, n, f.network.Dropped())
	failures := 0
	for _, c := range who {
		failures += c.seen(mutex.BackingFailed)
	}
	assert.GreaterOrEqual(t, failures, n)
}

// assertLostOfRefreshes asserts the same of two replies to a refresh. The store may
// repeat a refresh once by itself, and the client may more often.
func (f lossy) assertLostOfRefreshes(t *testing.T, who *contender) {
	t.Helper()
	assert.Equal(t, 2, f.network.Dropped())
	if f.fails {
		assert.Positive(t, who.seen(mutex.BackingFailed))
		return
	}
	assert.Zero(t, who.seen(mutex.BackingFailed), "%v", who.lastError(mutex.BackingFailed))
}

// token is that of the last grant of the server, 0 if there was none.
func (s store) token(t *testing.T) uint64 {
	t.Helper()
	token, err := s.direct.Get(t.Context(), fenceKey).Uint64()
	if errors.Is(err, goredis.Nil) {
		return 0
	}
	require.NoError(t, err)
	return token
}

// assertHolds asserts that the server and the contender agree that it has the
// lock, and about its token, which is that of the last grant of the server.
func (s store) assertHolds(t *testing.T, c *contender) {
	t.Helper()
	s.assertHolder(t, c)
	assert.Equal(t, s.token(t), c.token)
}

// assertHolder asserts that the server and the contender agree that it has the lock.
// There may have been grants of other locks since.
func (s store) assertHolder(t *testing.T, c *contender) {
	t.Helper()
	holder, err := s.direct.Get(t.Context(), lockKey).Result()
	require.NoError(t, err)
	assert.Equal(t, c.holder, holder)
	assert.GreaterOrEqual(t, s.token(t), c.token)
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
		if left = s.left(t); len(left) == 0 {
			return
		}
		if time.Now().After(give) {
			require.FailNow(t, "still held", "after %v: %v", limit, left)
		}
	}
}
