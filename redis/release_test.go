package redis_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis"
)

func TestReleaseReportsWhatItFound(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	b, other := redis.New(c), redis.New(c)
	for _, attempt := range []string{"", "1"} {
		mine := backing.Claim{Key: "k" + attempt, Holder: "h", TTL: lease, Attempt: attempt}
		assertReports(t, backing.NotHeld, b, mine)
		_, err := b.TryAcquire(t.Context(), mine)
		require.NoError(t, err)
		assertReports(t, backing.FreedNow, b, mine)
		assertReports(t, backing.FreedEarlier, b, mine)
		assertReleases(t, attempt == "", b, mine.Key, mine.Holder)
		assertReports(t, backing.NotHeld, b, claim(mine.Key, "another"))
		assertReports(t, backing.NotHeld, other, mine) // whose release it was not
		assertFree(t, b, mine.Key)
	}
}

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

func TestRepeatedReleaseAfterALostPassIsToldFromIt(t *testing.T) {
	t.Parallel()
	p, b, _ := throughProxy(t)
	require.Equal(t, backing.Refused{}, pass(t, b, "x", waiter("k", "y"), false)) // the server knows the script
	acquire(t, b, "k", "a")
	p.DropReplies(1, "evalsha")
	_, err := b.Pass(t.Context(), claim("k", "a"), waiter("k", "b").Waiter, false)
	require.Error(t, err)
	assertReports(t, backing.FreedEarlier, b, claim("k", "a"))
	assertHolder(t, b, "k", "b")
}

// Somebody may release a lock in the name of its holder, as an operator does.
func TestHolderLearnsThatAnotherClientReleasedItsLock(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	b, operator := redis.New(c), redis.New(c)
	acquire(t, b, "k", "h")
	assertReleases(t, true, operator, "k", "h")
	assertRefreshes(t, false, b, "k", "h")
	assertReports(t, backing.NotHeld, b, claim("k", "h")) // the memory is the other client's
}

func TestSecondReleaseOfAnAttemptLeavesALaterOneAlone(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	b := redis.New(c)
	first := backing.Claim{Key: "k", Holder: "h", TTL: lease, Attempt: "1"}
	second := backing.Claim{Key: "k", Holder: "h", TTL: lease, Attempt: "2"}
	for _, c := range []backing.Claim{first, second} {
		_, err := b.TryAcquire(t.Context(), c)
		require.NoError(t, err)
		if c == first {
			assertReports(t, backing.FreedNow, b, first)
		}
	}
	assertReports(t, backing.FreedEarlier, b, first)
	assertHolder(t, b, "k", "h")
	assertReports(t, backing.FreedNow, b, second)
	assertFree(t, b, "k")
}

func TestReleaseFreesWhatTheHolderHasUnderAnotherAttempt(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	b := redis.New(c)
	_, err := b.TryAcquire(t.Context(), backing.Claim{Key: "k", Holder: "h", TTL: lease, Attempt: "1"})
	require.NoError(t, err)
	assertReports(t, backing.FreedNow, b, backing.Claim{Key: "k", Holder: "h", Attempt: "2"})
	assertFree(t, b, "k")
}

func TestReleaseOfAnEarlierGrantIsNotThatOfALaterOne(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	b := redis.New(c)
	first := backing.Claim{Key: "k", Holder: "h", TTL: lease, Attempt: "1"}
	second := backing.Claim{Key: "k", Holder: "h", TTL: lease, Attempt: "2"}
	_, err := b.TryAcquire(t.Context(), first)
	require.NoError(t, err)
	assertReports(t, backing.FreedNow, b, first)
	_, err = b.TryAcquire(t.Context(), second)
	require.NoError(t, err)
	require.NoError(t, c.Del(t.Context(), "dmutex:k").Err())
	assertReports(t, backing.NotHeld, b, second)
}

func TestReleaseTakesAWaiterOutOfTheQueue(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	b := redis.New(c)
	acquire(t, b, "k", "a")
	w := waiter("k", "b")
	queues(t, b, w)
	assertReports(t, backing.NotHeld, b, w.Claim)
	assert.Empty(t, inQueue(t, c))
	assertReports(t, backing.FreedNow, b, claim("k", "a"))
	assertFree(t, b, "k")
	assert.Empty(t, w.woken)
}

// A reservation is released like a lock, and goes to the next waiter.
func TestWaiterThatLeavesWhenTheLockIsReservedForItPassesItOn(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	b := redis.New(c)
	acquire(t, b, "k", "a")
	leaves, next := waiter("k", "b"), waiter("k", "d")
	queues(t, b, leaves)
	queues(t, b, next)
	assertReleases(t, true, b, "k", "a")
	leaves.isWoken(t)
	assertReleases(t, true, b, "k", "b")
	next.isGranted(t, b)
}

func TestTheLongestLeaseOverflowsNothing(t *testing.T) {
	t.Parallel()
	_, client := start(t)
	b := redis.New(client)
	w := waiter("k", "b")
	w.TTL = 1<<63 - 1
	require.IsType(t, backing.Granted{}, enqueue(t, b, w))
	left, err := client.Do(t.Context(), "PTTL", "dmutex:k").Int64() // of the client, a Duration overflows
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
