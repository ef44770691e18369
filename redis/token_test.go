package redis_test

import (
	"context"
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

func TestTokensIncrease(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, between := range map[string]func(*testing.T, *redistest.Server, *goredis.Client, *redis.Backing){
		"over a release": func(t *testing.T, _ *redistest.Server, _ *goredis.Client, b *redis.Backing) {
			assertReleases(t, true, b, "k", "a")
		},
		"over expiry": func(t *testing.T, _ *redistest.Server, c *goredis.Client, _ *redis.Backing) {
			require.NoError(t, c.PExpire(ctx, "dmutex:k", time.Millisecond).Err())
			require.Eventually(t, func() bool { return c.Exists(ctx, "dmutex:k").Val() == 0 }, 5*time.Second, time.Millisecond)
		},
		"over the loss of all data": func(t *testing.T, _ *redistest.Server, c *goredis.Client, _ *redis.Backing) {
			require.NoError(t, c.FlushAll(ctx).Err())
		},
		"over a restart": func(_ *testing.T, s *redistest.Server, _ *goredis.Client, _ *redis.Backing) {
			s.Restart()
		},
		"over a foreign holder": func(t *testing.T, _ *redistest.Server, c *goredis.Client, b *redis.Backing) {
			require.NoError(t, c.Set(ctx, "dmutex:k", "theirs", time.Minute).Err())
			assertRefused(t, b, "k", "b")
			require.NoError(t, c.Del(ctx, "dmutex:k").Err())
		},
		"when a foreign client locked with the id of the next holder": func(t *testing.T, _ *redistest.Server, c *goredis.Client, _ *redis.Backing) {
			require.NoError(t, c.Set(ctx, "dmutex:k", "b", time.Minute).Err())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := start(t)
			b := redis.New(c)
			first := acquire(t, b, "k", "a")
			between(t, s, c, b)
			assert.Greater(t, acquire(t, b, "k", "b"), first)
		})
	}
}

func TestTokensIncreaseWhenTheServersClockWentBack(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	b := redis.New(c)
	// The last token from a server whose clock was a century ahead: just below
	// the largest integer that a Lua number holds exactly.
	const future = 1<<53 - 4
	require.NoError(t, c.Set(t.Context(), "fence:{dmutex:k}", "9007199254740988 gone", time.Hour).Err())
	for n := range uint64(3) {
		assert.Equal(t, future+1+n, acquire(t, b, "k", "a"))
		assertReleases(t, true, b, "k", "a")
	}
}

func TestSameHolderKeepsItsTokenAndGetsAFullLease(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	b := redis.New(c)
	ctx := t.Context()
	holder := "a b\nc \x00 %d 7" // must survive being kept beside the token
	token := acquire(t, b, "k", holder)
	require.NoError(t, c.PExpire(ctx, "dmutex:k", lease/2).Err())
	assert.Equal(t, token, acquire(t, b, "k", holder))
	assert.InDelta(t, lease, c.PTTL(ctx, "dmutex:k").Val(), float64(lease/10))
	assertRefused(t, b, "k", "a")

	require.NoError(t, c.Del(ctx, "fence:{dmutex:k}").Err()) // evicted, say
	assert.Greater(t, acquire(t, b, "k", holder), token)
}

func TestTokenIsRememberedForAsLongAsTheLockIsRefreshed(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	b := redis.New(c)
	acquire(t, b, "k", "a")
	require.NoError(t, c.PExpire(t.Context(), "fence:{dmutex:k}", lease).Err()) // an hour later
	assertRefreshes(t, true, b, "k", "a")
	assert.Greater(t, c.PTTL(t.Context(), "fence:{dmutex:k}").Val(), time.Hour)
}

func TestTokenThatIsNoneIsAnError(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	require.NoError(t, c.Set(t.Context(), "dmutex:k", "h", lease).Err())
	require.NoError(t, c.Set(t.Context(), "fence:{dmutex:k}", "99999999999999999999 h", lease).Err())
	_, err := redis.New(c).TryAcquire(t.Context(), claim("k", "h"))
	assert.EqualError(t, err, `redis: fence:{dmutex:k} is not a fencing token: "99999999999999999999"`)
}
