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

// And it asks while the lock is still reserved for a waiter that has missed its message.
func TestAskAgainIsWhenTheLeaseEnds(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	for _, tt := range []struct{ holders, ttl, want time.Duration }{
		{time.Minute, time.Minute, 1500 * time.Millisecond}, // the lock would be reserved for 2 s
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

func TestWaitersThatAreGoneKeepAFreeLockFromNobodyWhoPolls(t *testing.T) {
	t.Parallel()
	_, admin := start(t)
	c := as(t, admin, "-subscribe", "-ssubscribe")
	standIn(t, admin, "push:gone", "x")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	o, err := redis.New(c).Enqueue(ctx, waiter("k", "h").Waiter)
	require.NoError(t, err)
	assert.IsType(t, backing.Granted{}, o)
}

func TestHolderThatPollsIsRecognizedThoughOthersWait(t *testing.T) {
	t.Parallel()
	_, admin := start(t)
	c := as(t, admin, "-subscribe", "-ssubscribe")
	b := redis.New(c)
	acquire(t, b, "k", "h")
	standIn(t, admin, "push:gone", "x")
	o := enqueue(t, b, waiter("k", "h"))
	g, ok := o.(backing.Granted)
	require.True(t, ok, "%#v", o)
	assert.True(t, g.Resumed)
}

func TestMessageThatMayNotBeSentCountsAsNotReceived(t *testing.T) {
	t.Parallel()
	_, admin := start(t)
	mute := redis.New(as(t, admin, "-publish"))
	acquire(t, mute, "k", "a")
	queues(t, redis.New(admin), waiter("k", "b"))
	assertReleases(t, true, mute, "k", "a")
	assert.Zero(t, admin.Exists(t.Context(), "dmutex:k").Val())
	acquire(t, mute, "k", "c")
}

func TestWaiterThatCannotBeWokenAnyMorePollsAndLeavesTheQueueWithItsRelease(t *testing.T) {
	t.Parallel()
	_, admin := start(t)
	locks := redis.New(as(t, admin))
	acquire(t, locks, "k", "a")
	w := waiter("k", "b")
	queues(t, locks, w)
	require.Equal(t, []string{"b"}, inQueue(t, admin))
	require.NoError(t, admin.Do(t.Context(), "ACL", "SETUSER", "worker", "-subscribe").Err())
	require.NoError(t, admin.Do(t.Context(), "CLIENT", "KILL", "TYPE", "pubsub").Err())
	w.isWoken(t)
	require.Eventually(t, func() bool {
		o, polls := enqueue(t, locks, w).(backing.MustPoll)
		return polls && o.Why != nil
	}, 20*time.Second, time.Millisecond)
	assertReleases(t, false, locks, "k", "b")
	assert.Empty(t, inQueue(t, admin))
}

func TestWithoutPushNothingIsQueuedAndTheQueueOfOthersIsServed(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	polling, other := redis.New(c, redis.WithoutPush()), redis.New(c)
	acquire(t, polling, "k", "a")
	assert.Equal(t, backing.MustPoll{}, enqueue(t, polling, waiter("k", "b")))
	assert.Zero(t, ran(t, c, "subscribe"))

	w := waiter("k", "d")
	queues(t, other, w)
	assert.Equal(t, backing.MustPoll{}, pass(t, polling, "a", waiter("k", "b"), true))
	w.isGranted(t, other)
	assertReleases(t, true, other, "k", "d")
	assert.IsType(t, backing.Granted{}, enqueue(t, polling, waiter("k", "b")))

	for range 2 {
		assert.Equal(t, backing.MustPoll{}, pass(t, polling, "b", waiter("k", "c"), true), "nobody is in the queue, but others may poll")
		assertFree(t, polling, "k")
	}
}

func TestFenceOfAnotherTypeLeavesNoHalfAGrant(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	acquire(t, locks, "k", "a")
	w := waiter("k", "b")
	queues(t, locks, w)
	require.NoError(t, c.Del(t.Context(), fenceKey).Err())
	require.NoError(t, c.LPush(t.Context(), fenceKey, "mine").Err())
	_, err := locks.TryAcquire(t.Context(), claim("k", "a"))
	require.ErrorContains(t, err, "WRONGTYPE", "a lock that one has needs a token as well")
	assert.True(t, backing.IsPermanent(err))
	assertHolder(t, locks, "k", "a")
	_, err = locks.Pass(t.Context(), claim("k", "a"), waiter("k", "d").Waiter, false)
	require.ErrorContains(t, err, "WRONGTYPE")
	assertFree(t, locks, "k")
	assertReports(t, backing.FreedEarlier, locks, claim("k", "a"))
	assert.Equal(t, []string{"b"}, inQueue(t, c), "waiters keep their places")
	_, err = locks.TryAcquire(t.Context(), claim("k", "d"))
	require.ErrorContains(t, err, "WRONGTYPE")
	_, err = locks.Enqueue(t.Context(), w.Waiter)
	require.ErrorContains(t, err, "WRONGTYPE")
	assertFree(t, locks, "k")
	assert.Equal(t, []string{"mine"}, c.LRange(t.Context(), fenceKey, 0, -1).Val())
}

func TestFullServerHandsOverAndPasses(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	acquire(t, locks, "k", "a")
	w, next := waiter("k", "b"), waiter("k", "e")
	queues(t, locks, w)
	require.NoError(t, c.ConfigSet(t.Context(), "maxmemory", "1").Err())
	passes(t, locks, "a", waiter("k", "d"), false)
	require.IsType(t, backing.Queued{}, pass(t, locks, "d", next, true))
	w.isGranted(t, locks) // PEXPIRE comes first, and is allowed
	assertReleases(t, true, locks, "k", "b")
	next.isGranted(t, locks)
	_, err := locks.Enqueue(t.Context(), waiter("k", "x").Waiter)
	require.ErrorContains(t, err, "OOM")
	assert.False(t, backing.IsPermanent(err))
	require.NoError(t, c.ConfigSet(t.Context(), "maxmemory", "0").Err())
}
