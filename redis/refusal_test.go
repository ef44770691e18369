package redis_test

import (
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis"
)

func TestFullServerRefusesAnAcquireAndAllowsARelease(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	b := redis.New(c)
	warm(t, b)
	acquire(t, b, "held", "h")
	require.NoError(t, c.ConfigSet(t.Context(), "maxmemory", "1").Err())
	_, err := b.TryAcquire(t.Context(), claim("k", "h"))
	require.ErrorContains(t, err, "OOM")
	assert.False(t, backing.IsPermanent(err))
	assert.Zero(t, c.Exists(t.Context(), "dmutex:k").Val())
	assertRefreshes(t, true, b, "held", "h")
	acquire(t, b, "held", "h") // the holder may acquire it again
	require.NoError(t, c.ScriptFlush(t.Context()).Err())
	assertReleases(t, true, b, "held", "h")
	assertReleases(t, true, b, "held", "h")
	require.NoError(t, c.ConfigSet(t.Context(), "maxmemory", "0").Err())
	acquire(t, b, "held", "next")
}

func TestClientThatDoesNotFitTheServerIsExplained(t *testing.T) {
	t.Parallel()
	closed := goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:1"})
	require.NoError(t, closed.Close())
	sentinels := redistest.StartSentinels(t).Addrs()
	secured := redistest.StartTLS(t, redistest.NewAuthority(t).Issue(t, loopback, soon()))
	full := redistest.Start(t)
	admin := full.Client(t).Conn()
	t.Cleanup(func() { _ = admin.Close() })
	require.NoError(t, admin.ConfigSet(t.Context(), "maxclients", "1").Err())
	once := func(o goredis.Options) *goredis.Client {
		o.DialerRetries, o.MaxRetries = 1, -1
		return goredis.NewClient(&o)
	}
	for _, tt := range []struct {
		client    goredis.UniversalClient
		permanent bool
		says      string
	}{
		{closed, true, "closed"},
		{goredis.NewFailoverClient(&goredis.FailoverOptions{MasterName: "another", SentinelAddrs: sentinels, DialerRetries: 1, MaxRetries: -1}), false, "check MasterName"},
		{once(goredis.Options{Addr: sentinels[0]}), true, "use goredis.NewFailoverClient"},
		{once(goredis.Options{Addr: redistest.Start(t).Addr(), DB: 4711}), true, "ERR DB index"},
		{once(goredis.Options{Addr: redistest.StartEndpoint(t).Addr(), DB: 1}), true, "a Cluster has only database 0"},
		{goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{redistest.Start(t).Addr()}}), true, "use goredis.NewClient"},
		{once(goredis.Options{Addr: secured.TLSAddr()}), false, "check whether its port requires TLS"},
		{once(goredis.Options{Addr: full.Addr()}), false, "maxclients"},
	} {
		for name, operation := range operations(redis.New(tt.client), "k") {
			err := operation(t.Context())
			assert.ErrorContains(t, err, tt.says, name)
			assert.Equal(t, tt.permanent, backing.IsPermanent(err), "%s: %v", name, err)
		}
		_ = tt.client.Close()
	}
	require.NoError(t, admin.ConfigSet(t.Context(), "maxclients", "100").Err())
}
