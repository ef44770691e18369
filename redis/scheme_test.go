package redis_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/internal/redistest"
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
	assert.PanicsWithValue(t, "redis: New: client is nil: pass a client of go-redis", func() { redis.New(nil) })
}

// unlock is the script with which clients of the well-known scheme release.
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

// releasedKey returns the only memory of a release of the lock dmutex:k.
func releasedKey(t *testing.T, c *goredis.Client) string {
	t.Helper()
	keys, err := c.Keys(t.Context(), "dmutex:{dmutex:k}~released:*").Result()
	require.NoError(t, err)
	require.Len(t, keys, 1)
	return keys[0]
}

// oddKeys are mutex keys with characters that matter to the hash slot.
var oddKeys = []string{"k", "{tag}k", "k{tag}", "{}k", "}", "{", "}{", "a}b", "a{b", "{{x}}y", "{tag}~", "~queue", "k~fence", " ", "\x00\xff", "{~queue", "~released:x}"}

func TestAllKeysBeginWithThePrefix(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	for _, prefix := range []string{"dmutex:", "app:", "app:{locks}:", "a}:", ""} {
		require.NoError(t, c.FlushAll(t.Context()).Err())
		b := redis.New(c, redis.KeyPrefix(prefix))
		for _, key := range oddKeys {
			useKey(t, b, key)
		}
		keys, err := c.Keys(t.Context(), "*").Result()
		require.NoError(t, err)
		assert.Greater(t, len(keys), 3*len(oddKeys))
		for _, key := range keys {
			assert.True(t, strings.HasPrefix(key, prefix), "%q does not begin with %q", key, prefix)
		}
	}
}

// useKey creates the lock, its queue and its memory of a release, and keeps them.
func useKey(t *testing.T, b *redis.Backing, key string) {
	t.Helper()
	acquire(t, b, key, "a")
	queues(t, b, waiter(key, "b"))
	assertReleases(t, true, b, key, "a")
	queues(t, b, waiter(key, "d"))
	assertHolder(t, b, key, "b")
}

func TestAllKeysOfALockAreInItsSlot(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	c := cluster.Client(t)
	for _, prefix := range []string{"dmutex:", "app:{locks}:", "a}:", ""} {
		b := redis.New(c, redis.KeyPrefix(prefix))
		for _, key := range oddKeys {
			useKey(t, b, key) // a script with keys in several slots is refused
			lock := c.ClusterKeySlot(t.Context(), prefix+key).Val()
			require.NoError(t, c.ForEachMaster(t.Context(), func(ctx context.Context, master *goredis.Client) error {
				own, err := master.Keys(ctx, "*").Result()
				if err != nil || len(own) == 0 {
					return err
				}
				for _, name := range own {
					assert.Equal(t, lock, c.ClusterKeySlot(ctx, name).Val(), "%q for the lock of %q", name, key)
				}
				assert.GreaterOrEqual(t, len(own), 4, "lock, queue, memory and fence: %q", own)
				return master.FlushAll(ctx).Err()
			}))
		}
	}
}

// No lock is another lock's queue, whatever the names.
func TestKeysOfDifferentLocksDiffer(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	for _, prefix := range []string{"dmutex:", ""} {
		require.NoError(t, c.FlushAll(t.Context()).Err())
		b := redis.New(c, redis.KeyPrefix(prefix))
		names := map[string]string{}
		for _, key := range append([]string{"{k}8:k}", "k}", "{k}", "{tag}8:{tag}k", "{dmutex:k}"}, oddKeys...) {
			before := c.Keys(t.Context(), "*").Val()
			useKey(t, b, key)
			added := 0
			for _, name := range c.Keys(t.Context(), "*").Val() {
				if !slices.Contains(before, name) {
					names[name] = key
					added++
				}
			}
			if len(before) > 0 {
				assert.Equal(t, 3, added, "%q shares a key with another lock", key)
			}
		}
	}
}

func TestReservedKeyIsRefusedByAllOperations(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	b := redis.New(c)
	for _, key := range []string{
		"{x}~queue", "{dmutex:k}~queue", "{3560}~fence", "{dmutex:k}~released:me", "{x}~released:me:1", "{tag}8:{tag}k~queue", "{a\nb}~queue", "{}~queue", "{}}~fence",
	} {
		w := waiter(key, "h").Waiter
		all := operations(b, key)
		all["Enqueue"] = func(ctx context.Context) error { _, err := b.Enqueue(ctx, w); return err }
		all["Pass"] = func(ctx context.Context) error { _, err := b.Pass(ctx, claim(key, "a"), w, true); return err }
		all["ReleaseClaim"] = func(ctx context.Context) error { _, err := b.ReleaseClaim(ctx, w.Claim); return err }
		all["RefreshAll"] = func(ctx context.Context) error {
			all := b.RefreshAll(ctx, []backing.Claim{w.Claim, claim("{y}~queue", "h")})
			assert.Error(t, all[1].Err)
			return all[0].Err
		}
		for name, do := range all {
			err := do(t.Context())
			var reserved *redis.ReservedKeyError
			if assert.ErrorAs(t, err, &reserved, "%s of %q", name, key) {
				assert.Equal(t, key, reserved.Key)
				assert.Equal(t, "ReservedKeyError", reserved.Tag())
				assert.ErrorContains(t, err, "choose another key")
				assert.True(t, backing.IsPermanent(err))
			}
		}
	}
	assert.Zero(t, ran(t, c, "evalsha")+ran(t, c, "eval")+ran(t, c, "get"))
	all := b.RefreshAll(t.Context(), []backing.Claim{claim("a", "h"), claim("{x}~queue", "h"), claim("b", "h"), claim("a", "h")})
	assert.NoError(t, errors.Join(all[0].Err, all[2].Err, all[3].Err))
	for _, key := range []string{"{x}", "~queue", "x{y}~queue", "{x}queue", "{x~queue", "{x}~queues", "{x}~released"} {
		acquire(t, b, key, "h")
	}
}

// With an empty prefix, a reserved key would be another lock's own.
func TestReservedKeyErrorStandsForNoOtherKey(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	b := redis.New(c, redis.KeyPrefix(""))
	useKey(t, b, "k")
	for _, own := range c.Keys(t.Context(), "*").Val() {
		if own == "k" {
			continue
		}
		_, err := b.TryAcquire(t.Context(), claim(own, "h"))
		_, reserved := errors.AsType[*redis.ReservedKeyError](err)
		assert.True(t, reserved, "%q can be locked", own)
	}
}

func TestPrefixWithABraceThatBeginsNoTagPanics(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"{", "app:{", "{}", "{}:{x}", "a{b"} {
		assert.Panics(t, func() { redis.KeyPrefix(prefix) }, prefix)
	}
	for _, prefix := range []string{"", "app:", "{x}", "app:{locks}:", "}", "a}b", "{x}{"} {
		assert.NotPanics(t, func() { redis.KeyPrefix(prefix) }, prefix)
	}
}
