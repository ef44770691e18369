package redis_test

import (
	"context"
	"fmt"
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

func TestReservedLockIsShortUntilItsWaiterAsks(t *testing.T) {
	t.Parallel()
	for ttl, reserved := range map[time.Duration]time.Duration{lease: 2 * time.Second, 1700 * time.Millisecond: 1700 * time.Millisecond} {
		_, c := start(t)
		locks := redis.New(c)
		acquire(t, locks, "k", "a")
		w := waiter("k", "b")
		w.TTL = ttl
		queues(t, locks, w)
		token := c.Get(t.Context(), fenceKey).Val()
		assertReleases(t, true, locks, "k", "a")
		left := c.PTTL(t.Context(), "dmutex:k").Val()
		assert.LessOrEqual(t, left, reserved)
		assert.Positive(t, left)
		assertHolder(t, locks, "k", "b")
		assert.Equal(t, token, c.Get(t.Context(), fenceKey).Val(), "a token is given with a grant")
		assert.True(t, w.isGranted(t, locks).Resumed)
		assert.Greater(t, c.PTTL(t.Context(), "dmutex:k").Val(), ttl/2)
	}
}

// And no later than while the lock is still reserved for a waiter that has missed it.
func TestAskAgainIsWhenTheLeaseEnds(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	for _, tt := range []struct{ holders, ttl, want time.Duration }{
		{time.Minute, time.Minute, 1500 * time.Millisecond}, // it would be reserved for 2 s
		{time.Minute, time.Second, 750 * time.Millisecond},  // or for the TTL
		{600 * time.Millisecond, time.Minute, 602 * time.Millisecond},
		{0, time.Minute, 1500 * time.Millisecond}, // a foreign lock that does not end
	} {
		w := waiter("k", "b")
		w.TTL = tt.ttl
		for end := time.Now().Add(30 * time.Second); ; {
			require.NoError(t, c.Set(t.Context(), "dmutex:k", "a", tt.holders).Err())
			o, ok := enqueue(t, locks, w).(backing.Queued)
			if ok && o.AskAgain > tt.want-500*time.Millisecond {
				assert.LessOrEqual(t, o.AskAgain, tt.want)
				break
			}
			require.True(t, time.Now().Before(end), "%v: %#v", tt, o)
		}
	}
	assert.InDelta(t, time.Minute, c.PTTL(t.Context(), queueKey).Val(), float64(10*time.Second))
	require.NoError(t, c.Del(t.Context(), "dmutex:k").Err())
}

func TestFreeLockCostsNoSubscription(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	assert.IsType(t, backing.Granted{}, enqueue(t, locks, waiter("k", "b")))
	assert.Zero(t, ran(t, c, "subscribe"))
	queues(t, locks, waiter("k", "d"))
	queues(t, locks, waiter("k", "e"))
	assert.Equal(t, 1, ran(t, c, "subscribe"))
}

func TestClusterHandsOverOnShardChannels(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	one, other := redis.New(cluster.Client(t)), redis.New(cluster.Client(t))
	for n := range 12 {
		key := fmt.Sprint("k", n)
		acquire(t, one, key, "a")
		w := waiter(key, "b")
		queues(t, other, w)
		assertReleases(t, true, one, key, "a")
		w.isGranted(t, other)
	}
	commands := ""
	for _, s := range cluster.Servers {
		commands += s.Client(t).Info(t.Context(), "commandstats").Val()
	}
	assert.Contains(t, commands, "cmdstat_spublish")
	assert.NotContains(t, strings.ReplaceAll(commands, "cmdstat_spublish", ""), "cmdstat_publish")
}

func TestWaitersThatWerePassedOverLongAgoAreForgotten(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	acquire(t, locks, "k", "a")
	now := c.Time(t.Context()).Val()
	for holder, came := range map[string]time.Duration{"old": 11 * time.Minute, "recent": 9 * time.Minute} {
		at := float64(1<<52 + now.Add(-came).UnixMicro())
		require.NoError(t, c.ZAdd(t.Context(), queueKey, goredis.Z{Score: at, Member: "2000 push:gone " + holder}).Err())
	}
	queues(t, locks, waiter("k", "b"))
	assert.Equal(t, []string{"b", "recent"}, inQueue(t, c))
}

// poller is a client that may not subscribe, beside one that may do anything.
func poller(t *testing.T) (admin, c *goredis.Client) {
	t.Helper()
	_, admin = start(t)
	require.NoError(t, admin.Do(t.Context(), "ACL", "SETUSER", "poller", "on", ">pw", "~*", "&*", "+@all", "-subscribe", "-ssubscribe").Err())
	options := *admin.Options()
	options.Username, options.Password = "poller", "pw"
	c = goredis.NewClient(&options)
	t.Cleanup(func() { _ = c.Close() })
	return admin, c
}

func TestWaitersThatAreGoneKeepAFreeLockFromNobodyWhoPolls(t *testing.T) {
	t.Parallel()
	admin, c := poller(t)
	standIn(t, admin, "push:gone", "x")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	o, err := redis.New(c).Enqueue(ctx, waiter("k", "h").Waiter)
	require.NoError(t, err)
	assert.IsType(t, backing.Granted{}, o)
}

func TestHolderThatPollsIsRecognizedThoughOthersWait(t *testing.T) {
	t.Parallel()
	admin, c := poller(t)
	b := redis.New(c)
	acquire(t, b, "k", "h")
	standIn(t, admin, "push:gone", "x")
	o := enqueue(t, b, waiter("k", "h"))
	g, ok := o.(backing.Granted)
	require.True(t, ok, "%#v", o)
	assert.True(t, g.Resumed)
}
