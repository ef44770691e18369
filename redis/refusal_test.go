package redis_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
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

// assertCannotAnswer sees that the server's refusal is told as an error, and
// not as a lock that somebody else has.
func assertCannotAnswer(t *testing.T, b backing.Backing, permanent bool, says string) {
	t.Helper()
	grant, err := b.TryAcquire(t.Context(), claim("k", "h"))
	require.ErrorContains(t, err, says)
	assert.Equal(t, permanent, backing.IsPermanent(err), "permanent: %v", err)
	assert.Equal(t, option.None[backing.Grant](), grant)
}

func TestKeyOfAnotherTypeIsAPermanentErrorAndUntouched(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c := s.Client(t)
	for _, key := range []string{"dmutex:k", fenceKey} {
		t.Run(key, func(t *testing.T) {
			require.NoError(t, c.RPush(t.Context(), key, "mine").Err())
			assertCannotAnswer(t, redis.New(c), true, "WRONGTYPE")
			keys, err := c.Keys(t.Context(), "*").Result()
			require.NoError(t, err)
			assert.Equal(t, []string{key}, keys, "half a grant is left")
			if key == "dmutex:k" {
				for name, operation := range operations(redis.New(c)) {
					err := operation(t.Context())
					assert.ErrorContains(t, err, "WRONGTYPE", name)
					assert.True(t, backing.IsPermanent(err), name)
				}
			}
			assert.Equal(t, []string{"mine"}, c.LRange(t.Context(), key, 0, -1).Val())
			require.NoError(t, c.FlushAll(t.Context()).Err())
		})
	}
}

func TestWrongCredentialsAreExplainedAndNotTold(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--requirepass", "right-secret")
	open := redistest.Start(t)
	for name, tt := range map[string]struct {
		o         goredis.Options
		permanent bool // when it is said for the first time
		says      string
	}{
		"no password":                          {goredis.Options{Addr: s.Addr()}, false, "NOAUTH"},
		"wrong password":                       {goredis.Options{Addr: s.Addr(), Password: "wrong-secret"}, false, "WRONGPASS"},
		"wrong user":                           {goredis.Options{Addr: s.Addr(), Username: "nobody", Password: "wrong-secret"}, false, "WRONGPASS"},
		"a database that the server has not":   {goredis.Options{Addr: open.Addr(), DB: 4711}, true, "ERR DB index"},
		"no password, and an old RESP version": {goredis.Options{Addr: s.Addr(), Protocol: 2}, false, "NOAUTH"},
	} {
		t.Run(name, func(t *testing.T) {
			c := goredis.NewClient(&tt.o)
			defer c.Close()
			assertCannotAnswer(t, redis.New(c), tt.permanent, tt.says)
			for _, operation := range operations(redis.New(c)) {
				err := operation(t.Context())
				assert.True(t, errorsAs[*redis.SetupError](err))
				assert.NotContains(t, err.Error(), "secret")
			}
		})
	}
}

func TestClosedClientIsPermanent(t *testing.T) {
	t.Parallel()
	c := goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:1"})
	require.NoError(t, c.Close())
	assertCannotAnswer(t, redis.New(c), true, "closed")
}

func TestFullServerRefusesAnAcquireAndAllowsARelease(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	b := redis.New(c)
	warm(t, b)
	acquire(t, b, "held", "h")
	require.NoError(t, c.ConfigSet(t.Context(), "maxmemory", "1").Err())
	assertCannotAnswer(t, b, false, "OOM")
	assert.Zero(t, c.Exists(t.Context(), "dmutex:k").Val())
	assertRefreshes(t, true, b, "held", "h")
	acquire(t, b, "held", "h") // the holder may ask again
	require.NoError(t, c.ScriptFlush(t.Context()).Err())
	assertReleases(t, true, b, "held", "h")
	assertReleases(t, true, b, "held", "h")
	require.NoError(t, c.ConfigSet(t.Context(), "maxmemory", "0").Err())
	acquire(t, b, "held", "next")
}

func TestReplicaRefusesButMayHealByFailover(t *testing.T) {
	t.Parallel()
	primary := redistest.Start(t)
	host, port, _ := strings.Cut(primary.Addr(), ":")
	replica := redistest.Start(t, "--replicaof", host, port)
	assertCannotAnswer(t, redis.New(replica.Client(t)), false, "READONLY")
}

func TestSentinelThatDoesNotKnowTheGroupIsNoFreeLock(t *testing.T) {
	t.Parallel()
	group := redistest.StartSentinels(t)
	c := goredis.NewFailoverClient(&goredis.FailoverOptions{MasterName: "another", SentinelAddrs: group.Addrs(), DialerRetries: 1, MaxRetries: -1})
	defer c.Close()
	for name, operation := range operations(redis.New(c)) {
		err := operation(t.Context())
		assert.ErrorContains(t, err, "check MasterName", name)
		assert.False(t, backing.IsPermanent(err), name)
	}
}

func TestSentinelItselfHasNoLocksAndSaysSo(t *testing.T) {
	t.Parallel()
	c := goredis.NewClient(&goredis.Options{Addr: redistest.StartSentinels(t).Addrs()[0]})
	defer c.Close()
	assertCannotAnswer(t, redis.New(c), true, "use redis.NewFailoverClient")
}

func TestDatabaseOfAClusterIsAPermanentError(t *testing.T) {
	t.Parallel()
	c := goredis.NewClient(&goredis.Options{Addr: redistest.StartEndpoint(t).Addr(), DB: 1})
	defer c.Close()
	assertCannotAnswer(t, redis.New(c), true, "a Cluster has only database 0")
}

func TestClusterClientOfAPlainServerIsAPermanentError(t *testing.T) {
	t.Parallel()
	c := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{redistest.Start(t).Addr()}})
	defer c.Close()
	assertCannotAnswer(t, redis.New(c), true, "use redis.NewClient")
}

func TestServerThatClosesTheFirstConnectionIsExplained(t *testing.T) {
	t.Parallel()
	s := redistest.StartTLS(t, redistest.NewAuthority(t).Issue(t, loopback, soon()))
	c := goredis.NewClient(&goredis.Options{Addr: s.TLSAddr(), DialerRetries: 1, MaxRetries: -1})
	defer c.Close()
	assertCannotAnswer(t, redis.New(c), false, "check whether its port wants TLS")

	full := redistest.Start(t)
	admin := full.Client(t).Conn()
	defer admin.Close()
	require.NoError(t, admin.ConfigSet(t.Context(), "maxclients", "1").Err())
	one := goredis.NewClient(&goredis.Options{Addr: full.Addr(), DialerRetries: 1, MaxRetries: -1})
	defer one.Close()
	assertCannotAnswer(t, redis.New(one), false, "maxclients")
	require.NoError(t, admin.ConfigSet(t.Context(), "maxclients", "100").Err())
}

func TestReplicaWithoutItsPrimaryRefusesButMayHeal(t *testing.T) {
	t.Parallel()
	replica := redistest.Start(t, "--replicaof", "127.0.0.1", "1", "--replica-serve-stale-data", "no")
	assertCannotAnswer(t, redis.New(replica.Client(t)), false, "MASTERDOWN")
}

func TestServerThatCannotSaveRefusesButMayHeal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := redistest.Start(t, "--dir", dir, "--save", "3600 1000000")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "dump.rdb"), 0o700)) // in the way of the snapshot
	c := s.Client(t)
	b := redis.New(c)
	warm(t, b)
	require.NoError(t, c.BgSave(t.Context()).Err())
	require.Eventually(t, func() bool {
		return strings.Contains(c.Info(t.Context(), "persistence").Val(), "rdb_last_bgsave_status:err")
	}, 10*time.Second, 5*time.Millisecond)
	assertCannotAnswer(t, b, false, "MISCONF")
}

func TestLoadingServerRefusesButMayHeal(t *testing.T) {
	t.Parallel()
	primary := redistest.Start(t, "--repl-diskless-sync-delay", "0")
	pipe := primary.Client(t).Pipeline()
	for n := range 2000 {
		pipe.SetEx(t.Context(), "filler:"+strings.Repeat("x", n%50)+string(rune('a'+n%26)), strings.Repeat("y", 100), time.Hour)
	}
	_, err := pipe.Exec(t.Context())
	require.NoError(t, err)
	host, port, _ := strings.Cut(primary.Addr(), ":")
	// The replica takes its time over each key that it gets from the primary.
	replica := redistest.Start(t, "--replicaof", host, port, "--key-load-delay", "5000", "--loading-process-events-interval-bytes", "1024")
	c := goredis.NewClient(&goredis.Options{Addr: replica.Addr(), MaxRetries: -1})
	defer c.Close()
	require.Eventually(t, func() bool {
		return strings.Contains(c.Info(t.Context(), "persistence").Val(), "loading:1")
	}, 10*time.Second, time.Millisecond)
	assertCannotAnswer(t, redis.New(c), false, "LOADING")
}

func TestRefusedConnectionMayHeal(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c := goredis.NewClient(&goredis.Options{Addr: s.Addr(), DialerRetries: 1})
	defer c.Close()
	b := redis.New(c)
	warm(t, b)
	s.Kill()
	for name, operation := range operations(b) {
		err := operation(t.Context())
		assert.ErrorIs(t, err, syscall.ECONNREFUSED, name)
		assert.False(t, backing.IsPermanent(err), name)
	}
	s.Restart()
	// go-redis answers with its last failure to dial for up to a second more.
	require.Eventually(t, func() bool {
		grant, err := b.TryAcquire(t.Context(), claim("k", "h"))
		return err == nil && option.IsSome(grant)
	}, 10*time.Second, 10*time.Millisecond)
}
