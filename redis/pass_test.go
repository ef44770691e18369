package redis_test

import (
	"context"
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
	acquire(t, locks, "another", "z")
	queues(t, locks, waiter("another", "y")) // it is subscribed now
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
	had, _, err := b.Pass(t.Context(), "x", backing.Waiter{Claim: claim("k", "a")}, false) // the server knows the script
	require.NoError(t, err)
	require.False(t, had, "that a has it from another is no repeat")
	p.DropReplies(1, "evalsha")
	_, _, err = b.Pass(t.Context(), "a", w.Waiter, false)
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

func TestEnqueueThatLandsAfterItsReleaseIsUndone(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	direct := redis.New(c)
	acquire(t, direct, "k", "a")
	queues(t, direct, waiter("k", "x")) // the server knows the script
	assertReleases(t, false, direct, "k", "x")
	slow := &holdBack{write: make(chan struct{}), written: make(chan struct{})}
	slow.begun.Store(true)
	c.AddHook(slow)
	b := redis.New(c)
	queues(t, b, waiter("k", "y")) // so that news are heard
	slow.begun.Store(false)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, err := b.Enqueue(ctx, waiter("k", "b").Waiter)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assertReleases(t, false, b, "k", "b")
	close(slow.write)
	<-slow.written
	require.Eventually(t, func() bool {
		members := inQueue(t, c)
		return len(members) == 1 && strings.HasSuffix(members[0], " y")
	}, 5*time.Second, time.Millisecond)
	stays(t, 50*time.Millisecond, func() bool { return len(inQueue(t, c)) == 1 })
}
