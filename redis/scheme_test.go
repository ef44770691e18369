package redis_test

import (
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/redis"
)

func TestLockIsAStringKeyWithTheHolderAndTheLease(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	for name, tt := range map[string]struct {
		opts []redis.Option
		key  string
		want string
	}{
		"default prefix": {nil, "a", "dmutex:a"},
		"own prefix":     {[]redis.Option{redis.KeyPrefix("app:")}, "a", "app:a"},
		"no prefix":      {[]redis.Option{redis.KeyPrefix("")}, "a", "a"},
	} {
		t.Run(name, func(t *testing.T) {
			acquire(t, redis.New(c, tt.opts...), tt.key, "h")
			assert.Equal(t, "h", c.Get(t.Context(), tt.want).Val())
			assert.InDelta(t, lease, c.PTTL(t.Context(), tt.want).Val(), float64(lease/10))
		})
	}
}

func TestNewWithoutAClientPanics(t *testing.T) {
	t.Parallel()
	assert.PanicsWithValue(t, "redis: New: client is nil", func() { redis.New(nil) })
}

// unlock is what clients of the well-known scheme release with.
var unlock = goredis.NewScript(`if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end return 0`)

func TestForeignClientsExcludeAndAreExcluded(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	b := redis.New(c)
	ctx := t.Context()

	acquire(t, b, "k", "ours")
	assert.False(t, c.SetNX(ctx, "dmutex:k", "theirs", lease).Val(), "a held lock must refuse SET NX")
	assert.Zero(t, unlock.Run(ctx, c, []string{"dmutex:k"}, "theirs").Val())
	assertReleases(t, true, b, "k", "ours")

	require.True(t, c.SetNX(ctx, "dmutex:k", "theirs", lease).Val(), "a released lock must be free for SET NX")
	assertRefused(t, b, "k", "ours")
	assertRefreshes(t, false, b, "k", "ours")
	assertHolder(t, b, "k", "theirs")
	assert.EqualValues(t, 1, unlock.Run(ctx, c, []string{"dmutex:k"}, "theirs").Val())
	acquire(t, b, "k", "ours")
}

func TestForeignLockWithoutExpiryIsRespectedAndReleasedByItsHolder(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	b := redis.New(c)
	require.NoError(t, c.Set(t.Context(), "dmutex:k", "theirs", 0).Err())
	assertRefused(t, b, "k", "ours")
	assertReleases(t, true, b, "k", "theirs")
	locked, err := b.IsLocked(t.Context(), "k")
	require.NoError(t, err)
	assert.False(t, locked)
}

func TestReleaseIsForgottenInTimeAndTheLastTokenIsNot(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	b := redis.New(c)
	acquire(t, b, "k", "h")
	assertReleases(t, true, b, "k", "h")
	assert.Equal(t, time.Duration(-1), c.PTTL(t.Context(), fenceKey).Val())
	left, err := c.PTTL(t.Context(), releasedKey(t, c)).Result()
	require.NoError(t, err)
	assert.InDelta(t, 6*time.Second, left, float64(5*time.Second))
	assert.Len(t, c.Keys(t.Context(), "*").Val(), 2, "and nothing else is left")
}

// releasedKey is the only memory of a release of the lock dmutex:k.
func releasedKey(t *testing.T, c *goredis.Client) string {
	t.Helper()
	keys, err := c.Keys(t.Context(), "dmutex:{dmutex:k}~released:*").Result()
	require.NoError(t, err)
	require.Len(t, keys, 1)
	return keys[0]
}
