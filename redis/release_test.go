package redis_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis"
)

func TestRepeatedReleaseAfterAnotherClaimOfTheClientWasReleased(t *testing.T) {
	t.Parallel()
	p, b, direct := throughProxy(t)
	acquire(t, b, "k", "a")
	p.DropReplies(1, "evalsha")
	_, err := b.ReleaseClaim(t.Context(), claim("k", "a"))
	require.Error(t, err)
	acquire(t, b, "k", "b")
	assertReports(t, backing.FreedNow, b, claim("k", "b"))
	assertReports(t, backing.FreedEarlier, b, claim("k", "b"))
	acquire(t, direct, "k", "d")
	assertReports(t, backing.FreedEarlier, b, claim("k", "a"))
	assertHolder(t, direct, "k", "d")
}

func TestTheLongestLeaseOverflowsNothing(t *testing.T) {
	t.Parallel()
	_, client := start(t)
	b := redis.New(client)
	w := waiter("k", "b")
	w.TTL = 1<<63 - 1
	require.IsType(t, backing.Granted{}, enqueue(t, b, w))
	left, err := client.Do(t.Context(), "PTTL", "dmutex:k").Int64() // the client's own PTTL overflows a Duration
	require.NoError(t, err)
	assert.Greater(t, left, (200 * 365 * 24 * time.Hour).Milliseconds())
	o := queues(t, b, waiter("k", "d"))
	assert.Equal(t, 1500*time.Millisecond, o.AskAgain)
}

func TestRefreshForNoTimeIsRefused(t *testing.T) {
	t.Parallel()
	_, client := start(t)
	b := redis.New(client)
	acquire(t, b, "k", "h")
	acquire(t, b, "l", "h")
	for _, ttl := range []time.Duration{0, -time.Second} {
		_, err := b.Refresh(t.Context(), backing.Claim{Key: "k", Holder: "h", TTL: ttl})
		require.ErrorContains(t, err, "Claim.TTL is "+ttl.String())
		for _, answer := range b.RefreshAll(t.Context(), []backing.Claim{{Key: "k", Holder: "h", TTL: ttl}, {Key: "l", Holder: "h", TTL: ttl}}) {
			require.ErrorContains(t, answer.Err, "Claim.TTL is "+ttl.String())
		}
	}
	assertHolder(t, b, "k", "h")
	assertHolder(t, b, "l", "h")
}

func pass(t *testing.T, b *redis.Backing, from string, to waiting, yield bool) backing.Outcome {
	t.Helper()
	o, err := b.Pass(context.Background(), claim(to.Key, from), to.Waiter, yield)
	require.NoError(t, err)
	return o
}

// passes passes the lock to a claimant, which must be granted it.
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

// A process that has never waited is not subscribed. When it first yields it subscribes,
// rather than leave the lock free for those that poll.
func TestTheFirstYieldOfAProcessSubscribes(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks, other := redis.New(c), redis.New(c)
	acquire(t, locks, "k", "a")
	theirs, ours := waiter("k", "b"), waiter("k", "c")
	queues(t, other, theirs)
	assert.IsType(t, backing.Queued{}, pass(t, locks, "a", ours, true))
	assert.Equal(t, 2, ran(t, c, "subscribe"))
	theirs.isGranted(t, other)
	assertReleases(t, true, other, "k", "b")
	ours.isGranted(t, locks)
}

// Two acquisitions under a configured holder id differ only in their attempts.
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
