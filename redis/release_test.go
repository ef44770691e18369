package redis_test

import (
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
