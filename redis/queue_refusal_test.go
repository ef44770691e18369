package redis_test

import (
	"testing"
	"time"

	"github.com/IBM/fp-go/v2/option"
	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis"
)

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
	assert.True(t, option.IsNone(pass(t, deaf, "a", waiter("k", "b"), true).Grant))
	w.isHanded(t)
	assertReleases(t, true, other, "k", "d")
	assert.True(t, option.IsSome(enqueue(t, deaf, waiter("k", "b")).Grant))

	for range 2 {
		assert.True(t, option.IsNone(pass(t, deaf, "b", waiter("k", "c"), true).Grant), "nobody is in the queue, but others may poll")
		locked, err := deaf.IsLocked(t.Context(), "k")
		require.NoError(t, err)
		assert.False(t, locked)
	}
}

func TestQueueOfAnotherTypeSpoilsNothingButTheWaiting(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	acquire(t, locks, "k", "a")
	require.NoError(t, c.Set(t.Context(), "queue:{dmutex:k}", "mine", lease).Err())
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
