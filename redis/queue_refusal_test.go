package redis_test

import (
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis"
)

func TestMessageThatMayNotBeSentCountsAsNotReceived(t *testing.T) {
	t.Parallel()
	s, admin := start(t)
	require.NoError(t, admin.Do(t.Context(), "ACL", "SETUSER", "mute", "on", ">pw", "~*", "&*", "+@all", "-publish").Err())
	c := goredis.NewClient(&goredis.Options{Addr: s.Addr(), Username: "mute", Password: "pw"})
	defer c.Close()
	mute := redis.New(c)
	acquire(t, mute, "k", "a")
	queues(t, redis.New(admin), waiter("k", "b"))
	assertReleases(t, true, mute, "k", "a")
	assert.Zero(t, admin.Exists(t.Context(), "dmutex:k").Val())
	acquire(t, mute, "k", "c")
}

func TestWaiterThatCannotBeWokenAnyMorePollsAndLeavesTheQueueWithItsRelease(t *testing.T) {
	t.Parallel()
	s, admin := start(t)
	allow := func(rule string) {
		require.NoError(t, admin.Do(t.Context(), "ACL", "SETUSER", "worker", "on", ">pw", "~*", "&*", "+@all", rule).Err())
	}
	allow("+subscribe")
	c := goredis.NewClient(&goredis.Options{Addr: s.Addr(), Username: "worker", Password: "pw"})
	defer c.Close()
	locks := redis.New(c)
	acquire(t, locks, "k", "a")
	w := waiter("k", "b")
	queues(t, locks, w)
	require.Equal(t, []string{"b"}, inQueue(t, admin))
	allow("-subscribe")
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
