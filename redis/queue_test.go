package redis_test

import (
	"context"
	"fmt"
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

// told is a claimant that waits, and what it was told.
type told struct {
	backing.Waiter
	handed chan backing.Handed
	retry  chan struct{}
}

func waiter(key, holder string) told {
	w := told{handed: make(chan backing.Handed, 8), retry: make(chan struct{}, 8)}
	w.Waiter = backing.Waiter{
		Claim:   claim(key, holder),
		Granted: func(h backing.Handed) { w.handed <- h },
		Retry:   func() { w.retry <- struct{}{} },
	}
	return w
}

func enqueue(t *testing.T, b *redis.Backing, w told) backing.Standing {
	t.Helper()
	s, err := b.Enqueue(context.Background(), w.Waiter)
	require.NoError(t, err)
	return s
}

// queues puts w in the queue for a lock that another has.
func queues(t *testing.T, b *redis.Backing, w told) {
	t.Helper()
	s := enqueue(t, b, w)
	require.NoError(t, s.NotQueued)
	require.Positive(t, s.AskAgain, "not queued")
}

func (w told) isHanded(t *testing.T) backing.Handed {
	t.Helper()
	select {
	case h := <-w.handed:
		return h
	case <-time.After(10 * time.Second):
		require.Fail(t, "not told", "%s waits for %s", w.Holder, w.Key)
		return backing.Handed{}
	}
}

// pass hands the lock on, which must succeed.
func pass(t *testing.T, b *redis.Backing, from string, to told, yield bool) backing.Standing {
	t.Helper()
	had, s, err := b.Pass(context.Background(), from, to.Waiter, yield)
	require.NoError(t, err)
	require.True(t, had)
	return s
}

// inQueue lists the members of the queue for the lock dmutex:k.
func inQueue(t *testing.T, c *goredis.Client) []string {
	t.Helper()
	members, err := c.ZRange(context.Background(), "queue:{dmutex:k}", 0, -1).Result()
	require.NoError(t, err)
	return members
}

// standIn puts somebody in the queue whose process listens to channel, if any does.
func standIn(t *testing.T, c *goredis.Client, channel, holder string) {
	t.Helper()
	ctx := context.Background()
	require.NoError(t, c.ZAdd(ctx, "queue:{dmutex:k}", goredis.Z{Score: 1, Member: "2000 " + channel + " " + holder}).Err())
	require.NoError(t, c.PExpire(ctx, "queue:{dmutex:k}", time.Minute).Err())
}

func TestLockGoesFromProcessToProcessInTheOrderOfTheQueue(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	first, second := redis.New(c), redis.New(c)
	token := acquire(t, first, "k", "a")
	b, d := waiter("k", "b"), waiter("k", "d")
	queues(t, second, b)
	queues(t, first, d)
	queues(t, second, b)
	assertReleases(t, true, first, "k", "a")
	h := b.isHanded(t)
	assert.Greater(t, h.Token, token)
	assertHolder(t, first, "k", "b")
	assert.Empty(t, d.handed)
	assertReleases(t, true, second, "k", "b")
	assert.Greater(t, d.isHanded(t).Token, h.Token)
	assert.Empty(t, inQueue(t, c))
}

func TestHandedLeaseIsShortUntilItIsRefreshed(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	acquire(t, locks, "k", "a")
	w := waiter("k", "b")
	before := time.Now()
	queues(t, locks, w)
	assertReleases(t, true, locks, "k", "a")
	h := w.isHanded(t)
	assert.Equal(t, 2*time.Second, h.Lease)
	assert.False(t, h.Start.Before(before))
	assert.False(t, h.Start.After(time.Now()))
	assert.LessOrEqual(t, c.PTTL(t.Context(), "dmutex:k").Val(), 2*time.Second)
	assert.InDelta(t, time.Hour, c.PTTL(t.Context(), "fence:{dmutex:k}").Val(), float64(10*time.Second))
	assertRefreshes(t, true, locks, "k", "b")
	assert.Greater(t, c.PTTL(t.Context(), "dmutex:k").Val(), lease/2)
}

func TestHandedLeaseIsNeverLongerThanTheTTL(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	acquire(t, locks, "k", "a")
	w := waiter("k", "b")
	w.TTL = 700 * time.Millisecond
	queues(t, locks, w)
	assertReleases(t, true, locks, "k", "a")
	assert.Equal(t, w.TTL, w.isHanded(t).Lease)
}

func TestDeadProcessIsPassedOver(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	acquire(t, locks, "k", "a")
	standIn(t, c, "push:dead", "x")
	standIn(t, c, "push:deaf", "y")
	require.NoError(t, c.ZAdd(t.Context(), "queue:{dmutex:k}", goredis.Z{Score: 2, Member: "nothing of ours"}).Err())
	w := waiter("k", "b")
	queues(t, locks, w)
	assertReleases(t, true, locks, "k", "a")
	w.isHanded(t)
	assertHolder(t, locks, "k", "b")
}

func TestLockIsFreeIfNobodyInTheQueueLives(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	acquire(t, locks, "k", "a")
	standIn(t, c, "push:dead", "x")
	assertReleases(t, true, locks, "k", "a")
	assert.Zero(t, c.Exists(t.Context(), "dmutex:k").Val())
	assert.Empty(t, inQueue(t, c))
}

func TestLeaseThatEndsIsNoticedByWhoeverAsks(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks, other := redis.New(c), redis.New(c)
	acquire(t, locks, "k", "a")
	first, second := waiter("k", "b"), waiter("k", "d")
	queues(t, locks, first)
	queues(t, other, second)
	require.NoError(t, c.PExpire(t.Context(), "dmutex:k", time.Millisecond).Err())
	require.Eventually(t, func() bool { return c.Exists(t.Context(), "dmutex:k").Val() == 0 }, 5*time.Second, time.Millisecond)
	queues(t, other, second)
	first.isHanded(t)
	assertHolder(t, locks, "k", "b")

	require.NoError(t, c.Del(t.Context(), "dmutex:k").Err())
	s := enqueue(t, other, second)
	assert.True(t, option.IsSome(s.Grant), "the first in the queue asked itself")
	assert.Greater(t, c.PTTL(t.Context(), "dmutex:k").Val(), lease/2)
	assert.Empty(t, inQueue(t, c))
}

func TestNewcomerToAFreeLockStandsBehindThoseWhoWait(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	acquire(t, locks, "k", "a")
	first, newcomer := waiter("k", "b"), waiter("k", "d")
	queues(t, locks, first)
	require.NoError(t, c.Del(t.Context(), "dmutex:k").Err())
	queues(t, locks, newcomer)
	first.isHanded(t)
	assertReleases(t, true, locks, "k", "b")
	newcomer.isHanded(t)
}

// Nor later than when a lease that was handed over unheard still runs.
func TestAskAgainIsWhenTheLeaseEnds(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	for _, tt := range []struct{ holders, ttl, want time.Duration }{
		{time.Minute, time.Minute, 1500 * time.Millisecond}, // it would be handed a lease of 2 s
		{time.Minute, time.Second, 750 * time.Millisecond},  // of its TTL
		{600 * time.Millisecond, time.Minute, 602 * time.Millisecond},
		{0, time.Minute, 1500 * time.Millisecond}, // a foreign lock that does not end
	} {
		w := waiter("k", "b")
		w.TTL = tt.ttl
		require.NoError(t, c.Set(t.Context(), "dmutex:k", "a", tt.holders).Err())
		s := enqueue(t, locks, w)
		assert.LessOrEqual(t, s.AskAgain, tt.want)
		assert.Greater(t, s.AskAgain, tt.want-500*time.Millisecond)
	}
	assert.InDelta(t, time.Minute, c.PTTL(t.Context(), "queue:{dmutex:k}").Val(), float64(10*time.Second))
	require.NoError(t, c.Del(t.Context(), "dmutex:k").Err())
}

func TestFreeLockCostsNoSubscription(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	assert.True(t, option.IsSome(enqueue(t, locks, waiter("k", "b")).Grant))
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
		w.isHanded(t)
	}
	commands := ""
	for _, s := range cluster.Servers {
		commands += s.Client(t).Info(t.Context(), "commandstats").Val()
	}
	assert.Contains(t, commands, "cmdstat_spublish")
	assert.NotContains(t, strings.ReplaceAll(commands, "cmdstat_spublish", ""), "cmdstat_publish")
}
