package hazards_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis"
)

const (
	key = "k"

	// long is a lease that no test outlives.
	long = time.Minute

	// bound is the most that one who waits, and is not told, or is told by one who
	// is as good as dead, loses by it.
	bound = 2 * time.Second

	// little is what a loaded machine may add to anything.
	little = time.Second

	// patience is for conditions that come true at once unless the test has failed.
	patience = 20 * time.Second

	look = 2 * time.Millisecond // how often a condition is looked at
)

// store is a redis-server, with a client that no fault touches.
type store struct {
	*redistest.Server
	direct *goredis.Client
}

func newStore(t *testing.T, args ...string) store {
	t.Helper()
	s := redistest.Start(t, args...)
	return store{s, s.Client(t)}
}

// process is what another process would have: a backing on a client of its own.
func (s store) process(t *testing.T) *redis.Backing {
	t.Helper()
	return redis.New(client(t, s.Addr()))
}

// distant is a process behind a network that breaks on demand.
func (s store) distant(t *testing.T) (*redistest.Proxy, *redis.Backing) {
	t.Helper()
	p := redistest.NewProxy(t, s.Addr())
	return p, redis.New(client(t, p.Addr()))
}

// listener is a process of which only the subscription goes through a network
// that breaks on demand.
func (s store) listener(t *testing.T) (*redistest.Proxy, *redis.Backing) {
	t.Helper()
	p := redistest.NewProxy(t, s.Addr())
	return p, redis.New(forked{client(t, s.Addr()), client(t, p.Addr())})
}

// forked is a client that subscribes through another.
type forked struct {
	goredis.UniversalClient
	news *goredis.Client
}

func (f forked) Subscribe(ctx context.Context, channels ...string) *goredis.PubSub {
	return f.news.Subscribe(ctx, channels...)
}

func client(t *testing.T, addr string) *goredis.Client {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{Addr: addr})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// scripts is how often the server has been asked to run a script: nearly all that
// the library ever asks. EVAL does not count, which only follows an EVALSHA that
// the server did not know.
func (s store) scripts(t *testing.T) int { t.Helper(); return s.ran(t, "evalsha") }

// ran counts how often the server has run, or refused, a command.
func (s store) ran(t *testing.T, command string) int {
	t.Helper()
	stats, err := s.direct.InfoMap(t.Context(), "commandstats").Result()
	require.NoError(t, err)
	var calls, rejected int
	for stat := range strings.SplitSeq(stats["Commandstats"]["cmdstat_"+command], ",") {
		_, _ = fmt.Sscanf(stat, "calls=%d", &calls)
		_, _ = fmt.Sscanf(stat, "rejected_calls=%d", &rejected)
	}
	return calls + rejected
}

// connections is how many connections the server has had since it was started.
func (s store) connections(t *testing.T) (n int) {
	t.Helper()
	stats, err := s.direct.InfoMap(t.Context(), "stats").Result()
	require.NoError(t, err)
	_, err = fmt.Sscan(stats["Stats"]["total_connections_received"], &n)
	require.NoError(t, err)
	return n
}

// clients is how many connections the server has now, with the test's own; kind
// is what CLIENT LIST TYPE takes.
func (s store) clients(t *testing.T, kind string) int {
	t.Helper()
	list, err := s.direct.Do(t.Context(), "CLIENT", "LIST", "TYPE", kind).Text()
	require.NoError(t, err)
	return strings.Count(list, "\n")
}

// awaitQueue waits until so many claimants stand in the queue.
func (s store) awaitQueue(t *testing.T, n int64) {
	t.Helper()
	eventually(t, func() bool { return s.queued(t) == n }, "%d in the queue", n)
}

// lastPlace is the highest place in a queue. Behind it are those that were passed
// over, and claims that were released.
const lastPlace = "4503599627370495"

// queued is how many stand in the queue of the lock.
func (s store) queued(t *testing.T) int64 { t.Helper(); return s.queuedAt(t, queueKey) }

func (s store) queuedAt(t *testing.T, queue string) int64 {
	t.Helper()
	n, err := s.direct.ZCount(t.Context(), queue, "-inf", lastPlace).Result()
	require.NoError(t, err)
	return n
}

// awaitListeners waits until the server sees so many processes that can be told.
func (s store) awaitListeners(t *testing.T, n int) {
	t.Helper()
	eventually(t, func() bool {
		channels, err := s.direct.PubSubChannels(t.Context(), "*").Result()
		require.NoError(t, err)
		return len(channels) == n
	}, "%d channels", n)
}

// assertFree asserts that nobody has a lock or waits for one.
func (s store) assertFree(t *testing.T) {
	t.Helper()
	assert.Empty(t, s.left(t))
}

// queues are the keys of all queues.
func (s store) queues(t *testing.T) []string {
	t.Helper()
	all, err := s.direct.Keys(t.Context(), "dmutex:*~queue").Result()
	require.NoError(t, err)
	return all
}

// left are the locks that are held, and those that wait for one, also those that were
// passed over. What the server remembers of releases and tokens is neither.
func (s store) left(t *testing.T) (left []string) {
	t.Helper()
	keys, err := s.direct.Keys(t.Context(), "dmutex:*").Result()
	require.NoError(t, err)
	for _, k := range keys {
		switch kind := ownKey.FindStringSubmatch(k); {
		case kind == nil:
			left = append(left, k)
		case kind[1] == "queue":
			members, err := s.direct.ZRange(t.Context(), k, 0, -1).Result()
			require.NoError(t, err)
			for _, member := range members {
				if !strings.HasPrefix(member, "x ") { // a claim that was released
					left = append(left, k+": "+member)
				}
			}
		}
	}
	return left
}

// Where the keys of a lock are, but for the memories of its releases.
const (
	lockKey  = "dmutex:" + key
	queueKey = "dmutex:{" + lockKey + "}~queue"
	fenceKey = "dmutex:{3560}~fence" // that of all locks of the server
)

// ownKey matches the keys that are no locks.
var ownKey = regexp.MustCompile(`(?s)^dmutex:\{.*\}.*~(queue|fence|released)(?:$|:)`)

// ttl is how long the lease of a lock runs on.
func (s store) ttl(t *testing.T, key string) time.Duration {
	t.Helper()
	ttl, err := s.direct.PTTL(t.Context(), "dmutex:"+key).Result()
	require.NoError(t, err)
	return ttl
}

func eventually(t *testing.T, ok func() bool, what string, args ...any) {
	t.Helper()
	for give := time.Now().Add(patience); !ok(); time.Sleep(look) {
		if time.Now().After(give) {
			require.FailNow(t, "never came true: "+fmt.Sprintf(what, args...))
		}
	}
}
