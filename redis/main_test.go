package redis_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/IBM/fp-go/v2/option"
	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis"
)

func TestMain(m *testing.M) { redistest.Main(m) }

// lease is longer than any test takes.
const lease = time.Minute

func claim(key, holder string) backing.Claim {
	return backing.Claim{Key: key, Holder: holder, TTL: lease}
}

// The keys that belong to the lock dmutex:k, and the one of all tokens.
const (
	queueKey = "dmutex:{dmutex:k}~queue"
	fenceKey = "dmutex:{3560}~fence" // 3560 hashes to slot 0
)

// start runs a server and, when the test ends, checks that it keeps nothing for ever but fences.
func start(t *testing.T, args ...string) (*redistest.Server, *goredis.Client) {
	t.Helper()
	s := redistest.Start(t, args...)
	c := s.Client(t)
	t.Cleanup(func() { assertAllExpire(t, c) })
	return s, c
}

func assertAllExpire(t *testing.T, c *goredis.Client) {
	t.Helper()
	ctx := context.Background()
	keys, err := c.Keys(ctx, "*").Result()
	require.NoError(t, err)
	for _, key := range keys {
		if strings.HasSuffix(key, "~fence") {
			continue
		}
		assert.NotEqual(t, time.Duration(-1), c.PTTL(ctx, key).Val(), "%q is kept for ever", key)
	}
}

// acquire takes a lock that must be free, or the holder's already.
func acquire(t *testing.T, b backing.Backing, key, holder string) uint64 {
	t.Helper()
	grant, err := b.TryAcquire(context.Background(), claim(key, holder))
	require.NoError(t, err)
	g, ok := option.Unwrap(grant)
	require.True(t, ok, "%s did not get %q", holder, key)
	return g.Token
}

func assertRefused(t *testing.T, b backing.Backing, key, holder string) {
	t.Helper()
	grant, err := b.TryAcquire(context.Background(), claim(key, holder))
	require.NoError(t, err)
	assert.Equal(t, option.None[backing.Grant](), grant)
}

func assertHolder(t *testing.T, b backing.Backing, key, holder string) {
	t.Helper()
	got, err := b.GetHolder(context.Background(), key)
	require.NoError(t, err)
	assert.Equal(t, option.Some(holder), got)
}

func assertReleases(t *testing.T, want bool, b backing.Backing, key, holder string) {
	t.Helper()
	got, err := b.Release(context.Background(), key, holder)
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

func assertReports(t *testing.T, want backing.Released, b *redis.Backing, c backing.Claim) {
	t.Helper()
	got, err := b.ReleaseClaim(context.Background(), c)
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

func assertFree(t *testing.T, b backing.Backing, key string) {
	t.Helper()
	locked, err := b.IsLocked(context.Background(), key)
	require.NoError(t, err)
	assert.False(t, locked, "%q is held", key)
}

func assertRefreshes(t *testing.T, want bool, b backing.Backing, key, holder string) {
	t.Helper()
	got, err := b.Refresh(context.Background(), claim(key, holder))
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

// stays checks for a while that something remains as it is. Unlike testify's Never it
// does so on the goroutine of the test, which ends no earlier than the last check.
func stays(t *testing.T, d time.Duration, as func() bool) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Millisecond) {
		require.True(t, as())
	}
}

// operations are the five, each on the same key by the same holder.
func operations(b backing.Backing) map[string]func(context.Context) error {
	c := claim("k", "h")
	return map[string]func(context.Context) error{
		"TryAcquire": func(ctx context.Context) error { _, err := b.TryAcquire(ctx, c); return err },
		"Refresh":    func(ctx context.Context) error { _, err := b.Refresh(ctx, c); return err },
		"Release":    func(ctx context.Context) error { _, err := b.Release(ctx, c.Key, c.Holder); return err },
		"IsLocked":   func(ctx context.Context) error { _, err := b.IsLocked(ctx, c.Key); return err },
		"GetHolder":  func(ctx context.Context) error { _, err := b.GetHolder(ctx, c.Key); return err },
	}
}

// ran counts how often the server has run each of the commands.
func ran(t *testing.T, c *goredis.Client, command string) int {
	t.Helper()
	stats, err := c.InfoMap(context.Background(), "commandstats").Result()
	require.NoError(t, err)
	calls, _, _ := strings.Cut(strings.TrimPrefix(stats["Commandstats"]["cmdstat_"+command], "calls="), ",")
	n := 0
	for _, digit := range calls {
		n = n*10 + int(digit-'0')
	}
	return n
}

// warm lets the server see the three scripts, so that each later operation is
// one EVALSHA.
func warm(t *testing.T, b *redis.Backing) {
	t.Helper()
	acquire(t, b, "warm", "h")
	assertRefreshes(t, true, b, "warm", "h")
	assertReleases(t, true, b, "warm", "h")
}

// throughProxy returns a backing whose replies the proxy can lose, and one that
// goes past the proxy. The first never repeats a command by itself.
func throughProxy(t *testing.T) (p *redistest.Proxy, b, direct *redis.Backing) {
	t.Helper()
	s, c := start(t)
	p = redistest.NewProxy(t, s.Addr())
	once := goredis.NewClient(&goredis.Options{Addr: p.Addr(), MaxRetries: -1})
	t.Cleanup(func() { _ = once.Close() })
	b = redis.New(indirect{once})
	warm(t, b)
	return p, b, redis.New(c)
}

// indirect is a client whose own type is not known: no request is repeated because its
// reply is not prompt, as on a machine that is busy.
type indirect struct{ goredis.UniversalClient }

func TestOneRoundTripForEachOperation(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	b := redis.New(indirect{c})
	warm(t, b)
	require.NoError(t, c.ConfigResetStat(t.Context()).Err())
	acquire(t, b, "k", "h")
	assertRefused(t, b, "k", "other")
	assertRefreshes(t, true, b, "k", "h")
	assertReleases(t, true, b, "k", "h")
	assert.Equal(t, 4, ran(t, c, "evalsha"))
	assert.Zero(t, ran(t, c, "eval"))
}
