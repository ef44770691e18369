package redis_test

import (
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis"
)

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

// Only refreshes are repeated unnoticed: of what may be granted or freed the caller must
// know that a copy may be on its way.
func TestDefaultClientMakesUpForLostRepliesOfRefreshesAlone(t *testing.T) {
	t.Parallel()
	s, _ := start(t)
	p := redistest.NewProxy(t, s.Addr())
	c := goredis.NewClient(&goredis.Options{Addr: p.Addr()})
	t.Cleanup(func() { _ = c.Close() })
	b := redis.New(indirect{c})
	warm(t, b)
	p.DropReplies(1, "evalsha")
	_, err := b.TryAcquire(t.Context(), claim("k", "h"))
	require.Error(t, err)
	acquire(t, b, "k", "h")
	p.DropReplies(1, "evalsha")
	assertRefreshes(t, true, b, "k", "h")
	p.DropReplies(1, "evalsha")
	_, err = b.Release(t.Context(), "k", "h")
	require.Error(t, err)
	assertReleases(t, true, b, "k", "h")
	assert.Equal(t, 3, p.Dropped())
}

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
