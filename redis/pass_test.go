package redis_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
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
	locks, other := redis.New(c), redis.New(c)
	acquire(t, locks, "k", "a")
	theirs := waiter("k", "b")
	queues(t, other, theirs)
	for range 2 {
		assert.Equal(t, backing.MustPoll{}, pass(t, locks, "a", waiter("k", "d"), true))
	}
	theirs.isGranted(t, other)
	assert.Empty(t, inQueue(t, c))
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

// The reply to the first may have been lost.
func TestRepeatedPassToAHolderThatHasLetGoGivesTheLockToNobody(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	b, other := redis.New(c), redis.New(c)
	acquire(t, b, "k", "a")
	w := waiter("k", "b")
	for _, resumed := range []bool{false, true} {
		assert.Equal(t, resumed, passes(t, b, "a", w, false).Resumed)
	}
	assertReports(t, backing.FreedNow, other, w.Claim) // of b itself, the release would be remembered
	assert.Equal(t, backing.MustPoll{}, pass(t, b, "a", w, false), "it has let go")
	assert.Equal(t, backing.Refused{}, pass(t, b, "a", waiter("k", "d"), false), "to another it is no repeat")
	assertFree(t, b, "k")
}
