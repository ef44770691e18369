package memory_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

func TestAReleaseIsRememberedForReleaseMemory(t *testing.T) {
	for _, ttl := range []time.Duration{time.Second, time.Hour} {
		t.Run(ttl.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := memory.New()
				acquire(t, m, "k", "a", ttl)
				require.True(t, release(t, m, "k", "a"))
				time.Sleep(backing.ReleaseMemory - 1)
				isRefused(t, m, backing.Claim{Key: "k", Holder: "a"})
				assert.True(t, release(t, m, "k", "a"))
				time.Sleep(backing.ReleaseMemory - 1)
				assert.True(t, release(t, m, "k", "a"), "each release counts")
				time.Sleep(backing.ReleaseMemory)
				assert.False(t, release(t, m, "k", "a"))
			})
		})
	}
}

func TestAReleaseThatFindsNothingIsRememberedAsThat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		c := backing.Claim{Key: "k", Holder: "a", TTL: time.Hour, Attempt: "1"}
		for range 3 {
			assert.Equal(t, backing.NotHeld, releaseClaim(t, m, c))
			isRefused(t, m, c)
			time.Sleep(backing.ReleaseMemory - 1)
		}
		time.Sleep(time.Nanosecond)
		acquireClaim(t, m, c)
	})
}

func TestAReleaseByHandIsOneOfTheClaimThatHasTheKey(t *testing.T) {
	t.Parallel()
	m := memory.New()
	first := backing.Claim{Key: "k", Holder: "a", TTL: time.Hour, Attempt: "1"}
	second := backing.Claim{Key: "k", Holder: "a", TTL: time.Hour, Attempt: "2"}
	acquireClaim(t, m, first)
	require.True(t, release(t, m, "k", "a"))
	isRefused(t, m, first)
	acquireClaim(t, m, second)
	assert.Equal(t, backing.FreedEarlier, releaseClaim(t, m, first))
	assert.Equal(t, option.Some("a"), holder(t, m, "k"), "the first claim has let go, not the second")
	assert.Equal(t, backing.FreedNow, releaseClaim(t, m, second))

	third := backing.Claim{Key: "k", Holder: "a", TTL: time.Hour, Attempt: "3"}
	acquireClaim(t, m, third)
	assert.True(t, release(t, m, "k", "a"))
	assert.Equal(t, option.None[string](), holder(t, m, "k"), "by hand a second time, whatever there is to free")
}

func TestAReleaseByHandTakesItsHolderOutOfTheQueue(t *testing.T) {
	t.Parallel()
	m := memory.New()
	acquire(t, m, "k", "a", time.Hour)
	b, woken := waiter("k", "b", time.Hour)
	b.Attempt = "1"
	enqueue(t, m, b)
	assert.False(t, release(t, m, "k", "b"))
	require.True(t, release(t, m, "k", "a"))
	assert.Equal(t, option.None[string](), holder(t, m, "k"))
	assert.Zero(t, *woken)
	assert.IsType(t, backing.Granted{}, enqueue(t, m, b), "but its own claim was not released")
}

func TestARepeatedReleaseLeavesTheNextPlaceInTheQueueAlone(t *testing.T) {
	t.Parallel()
	m := memory.New()
	acquire(t, m, "k", "a", time.Hour)
	first, _ := waiter("k", "b", time.Hour)
	second := first
	first.Attempt, second.Attempt = "1", "2"
	enqueue(t, m, first)
	assert.Equal(t, backing.NotHeld, releaseClaim(t, m, first.Claim))
	enqueue(t, m, second)
	assert.Equal(t, backing.NotHeld, releaseClaim(t, m, first.Claim))
	require.True(t, release(t, m, "k", "a"))
	assert.Equal(t, option.Some("b"), holder(t, m, "k"))
}

func TestALateRefreshLeavesTheLeaseOfALaterClaimAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		first := backing.Claim{Key: "k", Holder: "a", TTL: time.Hour, Attempt: "1"}
		second := backing.Claim{Key: "k", Holder: "a", TTL: time.Second, Attempt: "2"}
		acquireClaim(t, m, first)
		require.Equal(t, backing.FreedNow, releaseClaim(t, m, first))
		acquireClaim(t, m, second)
		ok, err := m.Refresh(t.Context(), first)
		require.NoError(t, err)
		assert.False(t, ok)
		time.Sleep(time.Second)
		assert.Equal(t, option.None[string](), holder(t, m, "k"))
	})
}

func acquireClaim(t *testing.T, m *memory.Backing, c backing.Claim) {
	t.Helper()
	o, err := m.TryAcquire(t.Context(), c)
	require.NoError(t, err)
	require.True(t, option.IsSome(o), "%v did not get the key", c)
}

func releaseClaim(t *testing.T, m *memory.Backing, c backing.Claim) backing.Released {
	t.Helper()
	found, err := m.ReleaseClaim(t.Context(), c)
	require.NoError(t, err)
	return found
}

// isRefused asks for the key in each way.
func isRefused(t *testing.T, m *memory.Backing, c backing.Claim) {
	t.Helper()
	c.TTL = time.Hour
	o, err := m.TryAcquire(t.Context(), c)
	require.NoError(t, err)
	assert.True(t, option.IsNone(o), "TryAcquire")
	outcome, err := m.Enqueue(t.Context(), backing.Waiter{Claim: c, Wake: func() {}})
	require.NoError(t, err)
	assert.Equal(t, backing.Refused{}, outcome, "Enqueue")
}
