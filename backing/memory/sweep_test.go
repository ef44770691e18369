package memory

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
)

func TestMemoryDoesNotGrowWithTheNumberOfGrants(t *testing.T) {
	t.Parallel()
	const grants = 50_000
	const memory = 6 * 1000 // of releases, a thousand a second
	for name, c := range map[string]struct {
		after func(*Backing, string)
		most  int
	}{
		"never released":      {func(*Backing, string) {}, 4 * 1000},
		"released":            {func(b *Backing, key string) { _, _ = b.Release(context.Background(), key, "a") }, 4 * memory},
		"released by another": {func(b *Backing, key string) { _, _ = b.Release(context.Background(), key, "b") }, 4 * memory},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b, most := New(), 0
				for i := range grants {
					key := strconv.Itoa(i)
					_, err := b.TryAcquire(t.Context(), backing.Claim{Key: key, Holder: "a", TTL: time.Second})
					require.NoError(t, err)
					c.after(b, key)
					time.Sleep(time.Millisecond) // so a thousand leases run at a time
					most = max(most, len(b.leases)+len(b.released))
				}
				assert.LessOrEqual(t, most, c.most)
			})
		})
	}
}

func TestMemoryOfABurstIsGivenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := New()
		const burst = 10_000
		for i := range burst {
			_, _ = b.TryAcquire(t.Context(), backing.Claim{Key: strconv.Itoa(i), Holder: "a", TTL: time.Second})
		}
		require.Len(t, b.leases, burst)
		time.Sleep(time.Minute)
		for i := range burst { // one key over and over: only its releases are added
			c := backing.Claim{Key: "k", Holder: strconv.Itoa(i), TTL: time.Millisecond}
			_, _ = b.TryAcquire(t.Context(), c)
			_, _ = b.Release(t.Context(), "k", c.Holder)
			time.Sleep(20 * time.Millisecond)
		}
		assert.LessOrEqual(t, len(b.leases)+len(b.released), minSweep)
		assert.Equal(t, minSweep, b.sweepAt)
	})
}

func TestASweepKeepsWhatIsAlive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, ctx := New(), t.Context()
		held := backing.Claim{Key: "held", Holder: "a", TTL: time.Hour}
		first, err := b.TryAcquire(ctx, held)
		require.NoError(t, err)
		_, _ = b.TryAcquire(ctx, backing.Claim{Key: "released", Holder: "a", TTL: time.Hour})
		_, _ = b.Release(ctx, "released", "a")

		before := b.sweepAt
		for i := range 3 * minSweep {
			_, _ = b.TryAcquire(ctx, backing.Claim{Key: strconv.Itoa(i), Holder: "b", TTL: time.Microsecond})
			time.Sleep(time.Millisecond)
		}
		require.Less(t, len(b.leases), before, "no sweep took place")

		again, err := b.TryAcquire(ctx, held)
		require.NoError(t, err)
		resumed := func(g backing.Grant) backing.Grant { return backing.Grant{Token: g.Token, Resumed: true} }
		assert.Equal(t, option.Map(resumed)(first), again)
		assert.True(t, option.IsSome(again))
		ok, err := b.Release(ctx, "released", "a")
		require.NoError(t, err)
		assert.True(t, ok)
	})
}

func TestASweepKeepsThoseWhoWaitForALeaseThatHasExpired(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, ctx := New(), t.Context()
		_, _ = b.TryAcquire(ctx, backing.Claim{Key: "k", Holder: "a", TTL: time.Millisecond})
		woken := false
		first := backing.Waiter{
			Claim: backing.Claim{Key: "k", Holder: "b", TTL: time.Hour},
			Wake:  func() { woken = true },
		}
		_, _ = b.Enqueue(ctx, first)
		for i := range 3 * minSweep {
			_, _ = b.TryAcquire(ctx, backing.Claim{Key: strconv.Itoa(i), Holder: "x", TTL: time.Millisecond})
			time.Sleep(time.Millisecond)
		}
		require.Less(t, len(b.leases), minSweep+2, "no sweep took place")

		second := first
		second.Holder = "c"
		o, err := b.Enqueue(ctx, second)
		require.NoError(t, err)
		assert.True(t, woken)
		assert.Equal(t, backing.Queued{AskAgain: time.Hour}, o)
	})
}

func TestNothingIsKeptForAKeyThatNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	b, ctx := New(), t.Context()
	claim := func(holder string) backing.Claim { return backing.Claim{Key: "k", Holder: holder, TTL: time.Hour} }
	_, _ = b.TryAcquire(ctx, claim("a"))
	for _, holder := range []string{"b", "c"} {
		_, _ = b.Enqueue(ctx, backing.Waiter{Claim: claim(holder), Wake: func() {}})
	}
	require.NotNil(t, b.leases["k"].queue)
	_, _ = b.Release(ctx, "k", "b") // leaves
	_, _ = b.Release(ctx, "k", "a") // gives the key to the only waiter left
	assert.Equal(t, "c", b.leases["k"].holder)
	assert.Nil(t, b.leases["k"].queue)
	_, _ = b.Release(ctx, "k", "c")
	assert.Empty(t, b.leases)
}

// Where each release gives the key to the next waiter, no other operation makes room.
func TestMemoryDoesNotGrowWithTheNumberOfHandovers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, most := New(), 0
		w := backing.Waiter{Claim: backing.Claim{Key: "k", TTL: time.Second}, Wake: func() {}}
		for i := range 50_000 {
			w.Holder = strconv.Itoa(i + 1)
			_, _ = b.Enqueue(t.Context(), w)
			_, _ = b.Release(t.Context(), "k", strconv.Itoa(i))
			time.Sleep(time.Millisecond)
			most = max(most, len(b.leases)+len(b.released))
		}
		assert.LessOrEqual(t, most, 4*6*1000)
	})
}

func TestASweepThatFindsLittleComesBackLater(t *testing.T) {
	t.Parallel()
	b := New()
	const grants = 10 * minSweep
	for i := range grants {
		_, err := b.TryAcquire(t.Context(), backing.Claim{Key: strconv.Itoa(i), Holder: "a", TTL: time.Hour})
		require.NoError(t, err)
	}
	assert.Len(t, b.leases, grants)
	assert.Greater(t, b.sweepAt, grants, "else each grant would look at all leases")
	assert.LessOrEqual(t, b.sweepAt, 2*grants)
}
