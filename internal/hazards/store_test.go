package hazards_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis"
)

// store is a redis-server, a client of it that no fault affects, and a lock.
type store struct {
	*arena
	*redistest.Server
	direct *goredis.Client
}

// newStore returns a server for a test that breaks it or counts its requests.
func newStore(t *testing.T, args ...string) store {
	t.Helper()
	return storeOf(t, redistest.Start(t, args...))
}

func storeOf(t *testing.T, s *redistest.Server) store {
	t.Helper()
	return store{newArena(t), s, s.Client(t)}
}

var sharedServer = shared[*redistest.Server]{start: func(t testing.TB) *redistest.Server { return redistest.Start(t) }}

// sharedStore returns one server for all tests that leave it as it is, each with locks of its own.
func sharedStore(t *testing.T) store {
	t.Helper()
	return storeOf(t, sharedServer.use(t))
}

// shared is something that many tests use. The first of them starts it, and it ends with the last
// of those that use it at the same time.
type shared[A any] struct {
	start func(t testing.TB) A

	mu     sync.Mutex
	users  int
	moving sync.Mutex // of its slots
	owner  *lasting
	it     A
}

func (s *shared[A]) use(t *testing.T) A {
	t.Helper()
	redistest.Require(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users == 0 {
		s.owner = &lasting{TB: t}
		s.it = s.start(s.owner)
	}
	s.users++
	t.Cleanup(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.users--; s.users == 0 {
			s.owner.end()
		}
	})
	return s.it
}

// lasting is a test whose clean-ups wait for the other users of what it started.
type lasting struct {
	testing.TB
	ends []func()
}

func (l *lasting) Helper()            {} // the test may have ended
func (l *lasting) Cleanup(end func()) { l.ends = append(l.ends, end) }

func (l *lasting) TempDir() string {
	dir, err := os.MkdirTemp("", "hazards")
	require.NoError(l.TB, err)
	l.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (l *lasting) end() {
	for len(l.ends) > 0 {
		last := l.ends[len(l.ends)-1]
		l.ends = l.ends[:len(l.ends)-1]
		last()
	}
}

// process returns what another process would have: a backing on a client of its own.
func (s store) process(opts ...redis.Option) *redis.Backing {
	return redis.New(s.client(goredis.Options{}), opts...)
}

func (s store) client(o goredis.Options) *goredis.Client {
	if o.Addr == "" {
		o.Addr = s.Addr()
	}
	c := goredis.NewClient(&o)
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

var locks atomic.Int64

// newKey returns the name of a lock that is a prefix of no other.
func newKey() string { return fmt.Sprintf("k%d.", locks.Add(1)) }

// The keys of a lock, except the memories of its releases.
func lockKey(name string) string  { return "dmutex:" + name }
func queueKey(name string) string { return "dmutex:{dmutex:" + name + "}~queue" }

const fenceKey = "dmutex:{3560}~fence" // of all locks of a server

// ownKey matches the keys that are not locks.
var ownKey = regexp.MustCompile(`(?s)^dmutex:\{.*\}.*~(queue|fence|released)(?:$|:)`)

// holderOf returns the holder of a lock, or "" if there is none.
func (s store) holderOf(name string) string {
	s.t.Helper()
	holder, err := s.direct.Get(s.t.Context(), lockKey(name)).Result()
	if err != nil {
		require.ErrorIs(s.t, err, goredis.Nil)
	}
	return holder
}

// assertHolds asserts that the server and the contender agree that it has the lock.
func (s store) assertHolds(c *contender) {
	s.t.Helper()
	assert.Equal(s.t, c.holder, s.holderOf(c.key))
}

// ttl returns the remaining lease of a lock.
func (s store) ttl(name string) time.Duration {
	s.t.Helper()
	ttl, err := s.direct.PTTL(s.t.Context(), lockKey(name)).Result()
	require.NoError(s.t, err)
	return ttl
}

// lastPlace is the highest place in a queue. Behind it are holders that were passed over, and
// claims that were released.
const lastPlace = "4503599627370495"

// queued returns how many are in the queue of a lock.
func (s store) queued(name string) int64 {
	s.t.Helper()
	n, err := s.direct.ZCount(s.t.Context(), queueKey(name), "-inf", lastPlace).Result()
	require.NoError(s.t, err)
	return n
}

func (s store) awaitQueue(n int64) {
	s.t.Helper()
	eventually(s.t, func() bool { return s.queued(s.key) == n }, "%d in the queue", n)
}

// rival returns a contender of another process that waits in the server's queue.
func (s store) rival() *contender {
	s.t.Helper()
	before := s.queued(s.key)
	c := s.want(s.process())
	s.awaitQueue(before + 1)
	return c
}

// awaitListeners waits until the server, which must not be shared, sees n processes that can be
// woken.
func (s store) awaitListeners(n int) {
	s.t.Helper()
	eventually(s.t, func() bool {
		channels, err := s.direct.PubSubChannels(s.t.Context(), "*").Result()
		require.NoError(s.t, err)
		return len(channels) == n
	}, "%d channels", n)
}

// isFree waits until nobody has a lock of the test or waits for one.
func (s store) isFree() {
	s.t.Helper()
	eventually(s.t, func() bool { return len(s.left()) == 0 }, "all locks are free")
}

// assertFree asserts that nobody has a lock of the test or waits for one.
func (s store) assertFree() {
	s.t.Helper()
	assert.Empty(s.t, s.left())
}

// left returns the locks of the test that are held, and the waiters for them, even those that were
// passed over. What the server remembers of releases and tokens is neither.
func (s store) left() (left []string) {
	s.t.Helper()
	for _, k := range s.keys("dmutex:*" + s.key + "*") {
		switch kind := ownKey.FindStringSubmatch(k); {
		case kind == nil:
			left = append(left, k)
		case kind[1] == "queue":
			members, err := s.direct.ZRange(s.t.Context(), k, 0, -1).Result()
			require.NoError(s.t, err)
			for _, member := range members {
				if !strings.HasPrefix(member, "x ") { // a claim that was released
					left = append(left, k+": "+member)
				}
			}
		}
	}
	return left
}

// keys returns all keys of the server that match.
func (s store) keys(pattern string) (all []string) {
	s.t.Helper()
	found := s.direct.Scan(s.t.Context(), 0, pattern, 1000).Iterator()
	for found.Next(s.t.Context()) {
		all = append(all, found.Val())
	}
	require.NoError(s.t, found.Err())
	return all
}
