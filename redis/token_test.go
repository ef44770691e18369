package redis_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis"
)

func TestTokenIsTheServersTimeInMicroseconds(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	b := redis.New(c)
	before := c.Time(t.Context()).Val()
	token := acquire(t, b, "k", "h")
	after := c.Time(t.Context()).Val()
	assert.GreaterOrEqual(t, token, uint64(before.UnixMicro()))
	assert.LessOrEqual(t, token, uint64(after.UnixMicro()))
}

func TestTokensIncreaseWhenTheServersClockWentBack(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	b := redis.New(c)
	for _, at := range []uint64{ // tokens of a server whose clock was ahead
		1<<53 - 9,             // the largest integers that a Lua number holds exactly
		1_999_999_999_999_990, // a few years
		uint64(time.Now().Add(time.Hour).UnixMicro()), //nolint:gosec // not negative
	} {
		require.NoError(t, c.Set(t.Context(), fenceKey, at, 0).Err())
		for n := range uint64(3) {
			assert.Equal(t, at+1+n, acquire(t, b, "k", "a"))
			assertReleases(t, true, b, "k", "a")
		}
		assert.Equal(t, strconv.FormatUint(at+3, 10), c.Get(t.Context(), fenceKey).Val())
	}
	w := waiter("k", "b")
	acquire(t, b, "k", "a")
	queues(t, b, w)
	before := last(t, c)
	assertReleases(t, true, b, "k", "a")
	assert.Equal(t, before+1, w.isGranted(t, b).Token)
	assert.Equal(t, before+2, passes(t, b, "b", waiter("k", "d"), false).Token)
}

// last returns the last token.
func last(t *testing.T, c *goredis.Client) uint64 {
	t.Helper()
	token, err := c.Get(t.Context(), fenceKey).Uint64()
	require.NoError(t, err)
	return token
}

// Two grants in one microsecond: the script takes less.
func TestTokensOfOneMomentDiffer(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	b := redis.New(c)
	seen := map[uint64]bool{}
	for n := range 200 {
		acquire(t, b, fmt.Sprint("k", n%7), fmt.Sprint("h", n%7))
		seen[last(t, c)] = true
	}
	assert.Len(t, seen, 200)

	// And no tie by the clock: the last token was the clock's a moment ago.
	now := uint64(c.Time(t.Context()).Val().Add(time.Second).UnixMicro()) //nolint:gosec // not negative
	require.NoError(t, c.Set(t.Context(), fenceKey, now, 0).Err())
	assert.GreaterOrEqual(t, acquire(t, b, "k", "h"), now+1)
}

func TestLastTokenThatIsNoneCounts(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	b := redis.New(c)
	for _, garbage := range []string{"", "x", "9 lives", "-5", "99999"} {
		require.NoError(t, c.Set(t.Context(), fenceKey, garbage, 0).Err())
		before := c.Time(t.Context()).Val()
		assert.GreaterOrEqual(t, acquire(t, b, "k", "h"), uint64(before.UnixMicro()), garbage) //nolint:gosec // not negative
	}
	require.NoError(t, c.Set(t.Context(), fenceKey, strings.Repeat("9", 30), 0).Err())
	_, err := b.TryAcquire(t.Context(), claim("k", "h"))
	assert.ErrorContains(t, err, "redis: a script replied")
}

func TestAllLocksOfAServerShareAFence(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	b := redis.New(c)
	var before uint64
	for _, key := range []string{"a", "b{tag}", "c}", "{a}b"} {
		token := acquire(t, b, key, "h")
		assert.Greater(t, token, before, key)
		before = token
	}
	assert.Equal(t, []string{fenceKey}, c.Keys(t.Context(), "*fence*").Val())
}

func TestEachSlotOfAClusterHasAFence(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	b := redis.New(cluster.Client(t))
	for _, key := range []string{"a", "b{tag}", "c}", "d{tag}"} {
		acquire(t, b, key, "h")
	}
	var fences []string
	for _, s := range cluster.Servers {
		fences = append(fences, s.Client(t).Keys(t.Context(), "*~fence").Val()...)
	}
	assert.Len(t, fences, 3, "two locks are in one slot: %v", fences)
}

// keysOn finds keys whose locks are in different slots of a server.
func keysOn(t *testing.T, cluster *redistest.Cluster, server, n int) (keys []string) {
	t.Helper()
	for i := 0; len(keys) < n; i++ {
		key := fmt.Sprint("key", i)
		if cluster.Owner(t, "dmutex:"+key) == cluster.Servers[server] {
			keys = append(keys, key)
		}
	}
	return keys
}
