package memory_test

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/backingtest"
	"github.com/effectlock/effectlock/backing/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	t.Parallel()
	backingtest.Run(t, func(*testing.T) backing.Backing { return memory.New() }, backingtest.Virtual())
}

func TestALeaseOfCenturiesDoesNotOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		time.Sleep(time.Hour)
		acquire(t, m, "k", "a", math.MaxInt64)
		ok, err := m.Refresh(t.Context(), backing.Claim{Key: "k", Holder: "a", TTL: math.MaxInt64 - 1})
		require.NoError(t, err)
		assert.True(t, ok)
		time.Sleep(100 * 365 * 24 * time.Hour)
		assert.Equal(t, option.Some("a"), holder(t, m, "k"))
	})
}

func TestTokensFollowTheClockInMicroseconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		time.Sleep(3 * time.Second)
		now := uint64(time.Now().UnixMicro())
		assert.Equal(t, now, acquire(t, m, "k1", "a", time.Second))
		assert.Equal(t, now+1, acquire(t, m, "k2", "a", time.Second), "the clock has not moved")
		assert.Equal(t, now, acquire(t, m, "k1", "a", time.Second), "the same grant")

		time.Sleep(time.Minute)
		assert.Equal(t, now+60_000_000, acquire(t, m, "k1", "b", time.Second))
	})
}

// Maps grow now and then, which is no allocation on average.
func TestAcquireAndReleaseAllocateNothing(t *testing.T) {
	ctx, m := t.Context(), memory.New()
	holders, i := numbers(1001), 0
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		c := backing.Claim{Key: "k", Holder: holders[i], TTL: time.Minute}
		i++
		_, _ = m.TryAcquire(ctx, c)
		_, _ = m.Release(ctx, c.Key, c.Holder)
	}))
}

func acquire(t *testing.T, m *memory.Backing, key, holder string, ttl time.Duration) (token uint64) {
	t.Helper()
	o, err := m.TryAcquire(t.Context(), backing.Claim{Key: key, Holder: holder, TTL: ttl})
	require.NoError(t, err)
	g, ok := option.Unwrap(o)
	require.True(t, ok, "%s did not get %s", holder, key)
	return g.Token
}

func release(t *testing.T, m *memory.Backing, key, holder string) bool {
	t.Helper()
	ok, err := m.Release(t.Context(), key, holder)
	require.NoError(t, err)
	return ok
}

func holder(t *testing.T, m *memory.Backing, key string) option.Option[string] {
	t.Helper()
	h, err := m.GetHolder(t.Context(), key)
	require.NoError(t, err)
	return h
}
