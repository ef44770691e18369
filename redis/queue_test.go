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

func TestAskAgainIsWhenTheLeaseEnds(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	w := waiter("k", "b")
	for ttl, want := range map[time.Duration]time.Duration{
		time.Minute:            2 * time.Second,
		600 * time.Millisecond: 602 * time.Millisecond,
		0:                      2 * time.Second, // a foreign lock that does not end
	} {
		require.NoError(t, c.Set(t.Context(), "dmutex:k", "a", ttl).Err())
		s := enqueue(t, locks, w)
		assert.LessOrEqual(t, s.AskAgain, want)
		assert.Greater(t, s.AskAgain, want-500*time.Millisecond)
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

func TestYieldGoesToTheQueueAndTheNextHolderWaitsBehind(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks, other := redis.New(c), redis.New(c)
	acquire(t, locks, "k", "a")
	theirs, ours := waiter("k", "b"), waiter("k", "d")
	acquire(t, locks, "busy", "y")
	queues(t, locks, waiter("busy", "x")) // so that news are heard
	queues(t, other, theirs)
	for range 2 { // the second repeats the first, as if its reply was lost
		s := pass(t, locks, "a", ours, true)
		assert.True(t, option.IsNone(s.Grant))
		assert.Positive(t, s.AskAgain)
		assertHolder(t, locks, "k", "b")
	}
	theirs.isHanded(t)
	assertReleases(t, true, other, "k", "b")
	ours.isHanded(t)
}

func TestYieldWithoutSubscriptionLeavesTheNextHolderOutOfTheQueue(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks, other := redis.New(c), redis.New(c)
	acquire(t, locks, "k", "a")
	theirs := waiter("k", "b")
	queues(t, other, theirs)
	for range 2 {
		s := pass(t, locks, "a", waiter("k", "d"), true)
		assert.True(t, option.IsNone(s.Grant))
		assert.Zero(t, s.AskAgain)
		assert.Error(t, s.NotQueued)
	}
	theirs.isHanded(t)
	assert.Empty(t, inQueue(t, c))
}

func TestYieldToTheDeadGivesTheLockToTheNextHolder(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	token := acquire(t, locks, "k", "a")
	standIn(t, c, "push:dead", "x")
	s := pass(t, locks, "a", waiter("k", "b"), true)
	g, _ := option.Unwrap(s.Grant)
	assert.Greater(t, g.Token, token)
	assertHolder(t, locks, "k", "b")
}

func TestPassTakesTheNextHolderOutOfTheQueue(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	for _, yield := range []bool{false, true} {
		acquire(t, locks, "k", "a")
		w := waiter("k", "b")
		queues(t, locks, w)
		s := pass(t, locks, "a", w, yield)
		assert.True(t, option.IsSome(s.Grant))
		assert.Empty(t, inQueue(t, c))
		assert.Greater(t, c.PTTL(t.Context(), "dmutex:k").Val(), lease/2)
		assertReleases(t, true, locks, "k", "b")
		assert.Empty(t, w.handed, "the answer has told it")
	}
}

func TestLostReplyOfAPassIsMadeUpByTheNext(t *testing.T) {
	t.Parallel()
	p, b, direct := throughProxy(t)
	acquire(t, b, "k", "a")
	w := waiter("k", "b")
	pass(t, b, "x", told{Waiter: backing.Waiter{Claim: claim("k", "a")}}, false) // the server knows the script
	p.DropReplies(1, "evalsha")
	_, _, err := b.Pass(t.Context(), "a", w.Waiter, false)
	require.Error(t, err)
	assertHolder(t, direct, "k", "b")
	s := pass(t, b, "a", w, false)
	assert.Equal(t, option.Some(backing.Grant{Token: acquire(t, direct, "k", "b")}), s.Grant)
}

func TestLostReplyOfAnEnqueueIsMadeUpByTheNext(t *testing.T) {
	t.Parallel()
	p, b, direct := throughProxy(t)
	acquire(t, direct, "k", "a")
	w := waiter("k", "b")
	queues(t, b, waiter("k", "x"))
	p.DropReplies(1, "evalsha")
	_, err := b.Enqueue(t.Context(), w.Waiter)
	require.Error(t, err)
	queues(t, b, w)
	assertReleases(t, false, b, "k", "x")
	assertReleases(t, true, direct, "k", "a")
	w.isHanded(t)
}

func TestGrantIsToldAlthoughTheReplyWasLost(t *testing.T) {
	t.Parallel()
	p, b, direct := throughProxy(t)
	acquire(t, direct, "k", "a")
	queues(t, b, waiter("k", "x"))
	assertReleases(t, false, b, "k", "x")
	w := waiter("k", "b")
	before := time.Now()
	p.DropReplies(1, "evalsha")
	_, err := b.Enqueue(t.Context(), w.Waiter)
	require.Error(t, err)
	assertReleases(t, true, direct, "k", "a")
	h := w.isHanded(t)
	assert.False(t, h.Start.Before(before))
}

func TestReleaseIsRepeatedWithThePlaceInTheQueue(t *testing.T) {
	t.Parallel()
	s, c := start(t)
	p := redistest.NewProxy(t, s.Addr())
	once := goredis.NewClient(&goredis.Options{Addr: p.Addr(), MaxRetries: -1})
	t.Cleanup(func() { _ = once.Close() })
	b := redis.New(once)
	acquire(t, redis.New(c), "k", "a")
	queues(t, b, waiter("k", "b"))
	s.Freeze()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := b.Release(ctx, "k", "b")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	s.Thaw()
	assertReleases(t, false, b, "k", "b")
	assert.Empty(t, inQueue(t, c))
}

func TestRefusedPublicationCountsAsADeadProcess(t *testing.T) {
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

func TestUserWithoutPubSubPolls(t *testing.T) {
	t.Parallel()
	for _, rules := range []string{"resetchannels", "-subscribe"} {
		s, admin := start(t)
		require.NoError(t, admin.Do(t.Context(), "ACL", "SETUSER", "worker", "on", ">pw", "~*", "&*", "+@all", rules).Err())
		c := goredis.NewClient(&goredis.Options{Addr: s.Addr(), Username: "worker", Password: "pw"})
		defer c.Close()
		locks := redis.New(c)
		acquire(t, locks, "k", "a")
		for range 3 {
			standing := enqueue(t, locks, waiter("k", "b"))
			assert.ErrorContains(t, standing.NotQueued, "NOPERM")
			assert.True(t, backing.IsPermanent(standing.NotQueued))
			assert.Zero(t, standing.AskAgain)
		}
		assert.Empty(t, inQueue(t, admin))
		assertReleases(t, true, locks, "k", "a")
		assert.True(t, option.IsSome(enqueue(t, locks, waiter("k", "b")).Grant))
	}
}

func TestClaimantThatCannotBeToldAnyMoreLeavesTheQueue(t *testing.T) {
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
	require.NotEmpty(t, inQueue(t, admin))
	allow("-subscribe")
	require.NoError(t, admin.Do(t.Context(), "CLIENT", "KILL", "TYPE", "pubsub").Err())
	require.Eventually(t, func() bool { return len(w.retry) > 0 }, 5*time.Second, time.Millisecond)
	require.Eventually(t, func() bool {
		standing := enqueue(t, locks, w)
		return standing.NotQueued != nil && standing.AskAgain == 0
	}, 5*time.Second, time.Millisecond)
	assert.Empty(t, inQueue(t, admin))
}

func TestWithoutPushNothingIsQueuedAndTheQueueOfOthersIsServed(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	deaf, other := redis.New(c, redis.WithoutPush()), redis.New(c)
	acquire(t, deaf, "k", "a")
	assert.Equal(t, backing.Standing{}, enqueue(t, deaf, waiter("k", "b")))
	assert.Zero(t, ran(t, c, "subscribe"))

	w := waiter("k", "d")
	queues(t, other, w)
	assert.True(t, option.IsSome(pass(t, deaf, "a", waiter("k", "b"), true).Grant), "it does not yield")
	assertReleases(t, true, deaf, "k", "b")
	w.isHanded(t)
	assertReleases(t, true, other, "k", "d")
	assert.True(t, option.IsSome(enqueue(t, deaf, waiter("k", "b")).Grant))
}

func TestQueueOfAnotherTypeSpoilsNothingButTheWaiting(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	acquire(t, locks, "k", "a")
	require.NoError(t, c.SetEx(t.Context(), "queue:{dmutex:k}", "mine", lease).Err())
	_, err := locks.Enqueue(t.Context(), waiter("k", "b").Waiter)
	require.ErrorContains(t, err, "WRONGTYPE")
	assert.True(t, backing.IsPermanent(err))
	_, _, err = locks.Pass(t.Context(), "a", waiter("k", "b").Waiter, true)
	require.ErrorContains(t, err, "WRONGTYPE")
	assertHolder(t, locks, "k", "a")
	assertReleases(t, true, locks, "k", "a")
	assert.Zero(t, c.Exists(t.Context(), "dmutex:k").Val())
	assert.Equal(t, "mine", c.Get(t.Context(), "queue:{dmutex:k}").Val())
}

func TestFenceOfAnotherTypeLeavesNoHalfAGrant(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	acquire(t, locks, "k", "a")
	w := waiter("k", "b")
	queues(t, locks, w)
	require.NoError(t, c.Del(t.Context(), "fence:{dmutex:k}").Err())
	require.NoError(t, c.LPush(t.Context(), "fence:{dmutex:k}", "mine").Err())
	require.NoError(t, c.PExpire(t.Context(), "fence:{dmutex:k}", lease).Err())
	_, _, err := locks.Pass(t.Context(), "a", waiter("k", "d").Waiter, false)
	require.ErrorContains(t, err, "WRONGTYPE")
	assertHolder(t, locks, "k", "a")
	assertReleases(t, true, locks, "k", "a")
	assert.Zero(t, c.Exists(t.Context(), "dmutex:k").Val())
	assert.Len(t, inQueue(t, c), 1, "who waits keeps its place")
	_, err = locks.Enqueue(t.Context(), w.Waiter)
	require.ErrorContains(t, err, "WRONGTYPE")
	assert.Zero(t, c.Exists(t.Context(), "dmutex:k").Val())
}

func TestLockOfAnotherTypeIsAnErrorForThoseWhoWait(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	acquire(t, locks, "busy", "x")
	queues(t, locks, waiter("busy", "y"))
	require.NoError(t, c.LPush(t.Context(), "dmutex:k", "mine").Err())
	require.NoError(t, c.PExpire(t.Context(), "dmutex:k", lease).Err())
	_, err := locks.Enqueue(t.Context(), waiter("k", "b").Waiter)
	require.ErrorContains(t, err, "WRONGTYPE")
	_, _, err = locks.Pass(t.Context(), "a", waiter("k", "b").Waiter, false)
	require.ErrorContains(t, err, "WRONGTYPE")
	assert.Equal(t, []string{"mine"}, c.LRange(t.Context(), "dmutex:k", 0, -1).Val())
}

func TestFullServerHandsOverAndPasses(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	acquire(t, locks, "k", "a")
	w, next := waiter("k", "b"), waiter("k", "e")
	queues(t, locks, w)
	require.NoError(t, c.ConfigSet(t.Context(), "maxmemory", "1").Err())
	assert.True(t, option.IsSome(pass(t, locks, "a", waiter("k", "d"), false).Grant))
	assert.Zero(t, pass(t, locks, "d", next, true).Grant)
	w.isHanded(t)
	assertReleases(t, true, locks, "k", "b")
	next.isHanded(t)
	_, err := locks.Enqueue(t.Context(), waiter("k", "x").Waiter)
	require.ErrorContains(t, err, "OOM")
	assert.False(t, backing.IsPermanent(err))
	require.NoError(t, c.ConfigSet(t.Context(), "maxmemory", "0").Err())
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
