package redis_test

import (
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/redis"
)

func TestWaiterWhoseProcessIsGoneIsPassedOver(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	acquire(t, locks, "k", "a")
	standIn(t, c, "push:gone", "x")
	standIn(t, c, "push:away", "y")
	require.NoError(t, c.ZAdd(t.Context(), queueKey, goredis.Z{Score: 2, Member: "nothing of ours"}).Err())
	w := waiter("k", "b")
	queues(t, locks, w)
	assertReleases(t, true, locks, "k", "a")
	w.isGranted(t, locks)
	assertHolder(t, locks, "k", "b")
	assert.ElementsMatch(t, []string{"x", "y"}, inQueue(t, c), "they may come back")
}

func TestLockIsFreeIfNoWaiterCanBeWoken(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	acquire(t, locks, "k", "a")
	standIn(t, c, "push:gone", "x")
	assertReleases(t, true, locks, "k", "a")
	assertFree(t, locks, "k")
	acquire(t, locks, "k", "b")
}

// A restart of the subscription, say, is shorter than a place in the queue lasts.
func TestWaiterThatWasPassedOverGetsItsPlaceBack(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks, other := redis.New(c), redis.New(c)
	acquire(t, locks, "k", "a")
	all := []waiting{waiter("k", "b"), waiter("k", "d"), waiter("k", "e")}
	for _, w := range all {
		queues(t, locks, w)
	}
	late := waiter("k", "f")
	queues(t, other, late)
	// What a release does with those whose process nobody reaches.
	for _, w := range all {
		require.NoError(t, c.ZIncrBy(t.Context(), queueKey, 1<<52, memberIn(t, c, w.Holder)).Err())
	}
	assert.Equal(t, []string{"f", "b", "d", "e"}, inQueue(t, c))
	for _, i := range []int{2, 0, 1} {
		queues(t, locks, all[i])
	}
	assert.Equal(t, []string{"b", "d", "e", "f"}, inQueue(t, c))
	assertReleases(t, true, locks, "k", "a")
	for _, w := range all {
		w.isGranted(t, locks)
		assertReleases(t, true, locks, "k", w.Holder)
	}
	late.isGranted(t, other)
}

// memberIn is how the holder stands in the queue of the lock dmutex:k.
func memberIn(t *testing.T, c *goredis.Client, holder string) string {
	t.Helper()
	for _, member := range c.ZRange(t.Context(), queueKey, 0, -1).Val() {
		if strings.HasSuffix(member, " "+holder) {
			return member
		}
	}
	require.Fail(t, "not in the queue", holder)
	return ""
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
