package redis_test

import (
	"context"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis"
)

func pass(t *testing.T, b *redis.Backing, from string, to waiting, yield bool) backing.Outcome {
	t.Helper()
	o, err := b.Pass(context.Background(), claim(to.Key, from), to.Waiter, yield)
	require.NoError(t, err)
	return o
}

// passes hands the lock on, which must be granted.
func passes(t *testing.T, b *redis.Backing, from string, to waiting, yield bool) backing.Grant {
	t.Helper()
	o := pass(t, b, from, to, yield)
	g, ok := o.(backing.Granted)
	require.True(t, ok, "%#v", o)
	return g.Grant
}

// subscribes makes b receive messages.
func subscribes(t *testing.T, b *redis.Backing) {
	t.Helper()
	acquire(t, b, "busy", "x")
	queues(t, b, waiter("busy", "y"))
}

func TestYieldGoesToTheQueueAndTheNextHolderWaitsBehind(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks, other := redis.New(c), redis.New(c)
	acquire(t, locks, "k", "a")
	theirs, ours := waiter("k", "b"), waiter("k", "d")
	subscribes(t, locks)
	queues(t, other, theirs)
	for range 2 { // the second repeats the first, as if its reply was lost
		o := pass(t, locks, "a", ours, true)
		require.IsType(t, backing.Queued{}, o)
		assert.Positive(t, o.(backing.Queued).AskAgain)
		assertHolder(t, locks, "k", "b")
	}
	theirs.isGranted(t, other)
	assertReleases(t, true, other, "k", "b")
	ours.isGranted(t, locks)
}

func TestYieldWithoutSubscriptionLeavesTheNextHolderOutOfTheQueue(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks, other := redis.New(c, redis.WithoutPush()), redis.New(c)
	acquire(t, locks, "k", "a")
	theirs := waiter("k", "b")
	queues(t, other, theirs)
	for range 2 {
		assert.Equal(t, backing.MustPoll{}, pass(t, locks, "a", waiter("k", "d"), true))
	}
	theirs.isGranted(t, other)
	assert.Empty(t, inQueue(t, c))
}

// A process that has never waited is not subscribed. It hands the lock on within for as long
// as it takes to subscribe, rather than leave it free for those that poll.
func TestTheFirstYieldOfAProcessSubscribes(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks, other := redis.New(c), redis.New(c)
	acquire(t, locks, "k", "a")
	theirs := waiter("k", "b")
	queues(t, other, theirs)
	var ours waiting
	holder := "a"
	require.Eventually(t, func() bool {
		ours = waiter("k", "next after "+holder)
		o := pass(t, locks, holder, ours, true)
		if _, granted := o.(backing.Granted); granted {
			holder = ours.Holder
			return false
		}
		assert.IsType(t, backing.Queued{}, o)
		return true
	}, 20*time.Second, time.Millisecond)
	assert.NotEqual(t, "a", holder, "it was handed on before that")
	assert.Equal(t, 2, ran(t, c, "subscribe"))
	theirs.isGranted(t, other)
	assertReleases(t, true, other, "k", "b")
	ours.isGranted(t, locks)
}

func TestYieldGivesTheLockToTheNextHolderIfNoWaiterCanBeWoken(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	subscribes(t, locks)
	token := acquire(t, locks, "k", "a")
	standIn(t, c, "push:gone", "x")
	g := passes(t, locks, "a", waiter("k", "b"), true)
	assert.Greater(t, g.Token, token)
	assertHolder(t, locks, "k", "b")
	assert.Greater(t, c.PTTL(t.Context(), "dmutex:k").Val(), lease/2)
}

func TestPassTakesTheNextHolderOutOfTheQueue(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	for _, yield := range []bool{false, true} {
		acquire(t, locks, "k", "a")
		w := waiter("k", "b")
		queues(t, locks, w)
		passes(t, locks, "a", w, yield)
		assert.Empty(t, inQueue(t, c))
		assert.Greater(t, c.PTTL(t.Context(), "dmutex:k").Val(), lease/2)
		assertReleases(t, true, locks, "k", "b")
		assert.Empty(t, w.woken, "the reply has told it")
	}
}

func TestPassWithoutYieldGoesBeforeTheQueue(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	acquire(t, locks, "k", "a")
	w := waiter("k", "b")
	queues(t, locks, w)
	passes(t, locks, "a", waiter("k", "d"), false)
	assertHolder(t, locks, "k", "d")
	assertReleases(t, true, locks, "k", "d")
	w.isGranted(t, locks)
}

func TestPassByOneThatDoesNotHaveTheLockIsRefused(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	queued := waiter("k", "q")
	acquire(t, locks, "k", "a")
	queues(t, locks, queued)
	for _, yield := range []bool{false, true} {
		assert.Equal(t, backing.Refused{}, pass(t, locks, "x", waiter("k", "d"), yield))
		assert.Equal(t, backing.Refused{}, pass(t, locks, "x", waiter("k", "a"), yield), "that it has the lock is no repeat")
		assert.Equal(t, backing.Refused{}, pass(t, locks, "x", queued, yield))
	}
	assertHolder(t, locks, "k", "a")
	assert.Equal(t, []string{"q"}, inQueue(t, c))
	assertReleases(t, true, locks, "k", "a")
	queued.isGranted(t, locks) // it is still known as one that waits
}

func TestLostReplyOfAPassIsMadeUpByTheNext(t *testing.T) {
	t.Parallel()
	p, b, direct := throughProxy(t)
	acquire(t, b, "k", "a")
	w := waiter("k", "b")
	require.Equal(t, backing.Refused{}, pass(t, b, "x", w, false)) // the server knows the script
	p.DropReplies(1, "evalsha")
	_, err := b.Pass(t.Context(), claim("k", "a"), w.Waiter, false)
	require.Error(t, err)
	assertHolder(t, direct, "k", "b")
	assert.True(t, passes(t, b, "a", w, false).Resumed)
	assertReports(t, backing.FreedNow, direct, w.Claim)
	assert.Equal(t, backing.MustPoll{}, pass(t, b, "a", w, false), "it has let go")
	assert.Equal(t, backing.Refused{}, pass(t, b, "a", waiter("k", "d"), false), "to another it is no repeat")
	assertFree(t, b, "k")
}

// Two acquisitions under a configured holder id are told apart by their attempts alone.
func TestPassToTheSameHolderThatQueuesItLeavesItWaiting(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks, other := redis.New(c), redis.New(c)
	subscribes(t, locks)
	from := backing.Claim{Key: "k", Holder: "h", TTL: lease, Attempt: "1"}
	next, theirs := waiter("k", "h"), waiter("k", "b")
	next.Attempt = "2"
	_, err := locks.TryAcquire(t.Context(), from)
	require.NoError(t, err)
	queues(t, other, theirs)
	o, err := locks.Pass(t.Context(), from, next.Waiter, true)
	require.NoError(t, err)
	require.IsType(t, backing.Queued{}, o)
	theirs.isGranted(t, other)
	assertReports(t, backing.FreedNow, other, theirs.Claim)
	next.isGranted(t, locks)
	assertReports(t, backing.FreedEarlier, locks, from)
	assertHolder(t, locks, "k", "h")
}

func TestPassHasReleasedTheLock(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	acquire(t, locks, "k", "a")
	passes(t, locks, "a", waiter("k", "b"), false)
	for range 2 {
		assertReports(t, backing.FreedEarlier, locks, claim("k", "a"))
	}
	assertReports(t, backing.NotHeld, locks, claim("k", "x"))
	assertHolder(t, locks, "k", "b")
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
	w.isGranted(t, b)
}

func TestWaiterIsWokenAlthoughTheReplyWasLost(t *testing.T) {
	t.Parallel()
	p, b, direct := throughProxy(t)
	acquire(t, direct, "k", "a")
	queues(t, b, waiter("k", "x"))
	assertReleases(t, false, b, "k", "x")
	w := waiter("k", "b")
	p.DropReplies(1, "evalsha")
	_, err := b.Enqueue(t.Context(), w.Waiter)
	require.Error(t, err)
	assertReleases(t, true, direct, "k", "a")
	w.isGranted(t, b)
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

func TestLateAcquireOfAHolderThatHasPassedTheLockOnIsRefused(t *testing.T) {
	t.Parallel()
	p, b, direct := throughProxy(t)
	p.DropReplies(1, "evalsha")
	_, err := b.TryAcquire(t.Context(), claim("k", "a"))
	require.Error(t, err)
	acquire(t, b, "k", "a") // a copy of the first request may still be on its way
	passes(t, b, "a", waiter("k", "b"), false)
	assertReports(t, backing.FreedNow, b, claim("k", "b"))
	assertRefused(t, direct, "k", "a")
	assertFree(t, b, "k")
}
