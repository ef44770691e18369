package hazards_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

const year = 365 * 24 * time.Hour

// A TTL that cannot be is refused when the mutex is made, and the error says which
// and what it was.
func TestHazard37_ATTLThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	for _, ttl := range []time.Duration{
		math.MinInt64, -year, -time.Second, -1, 1, 500 * time.Microsecond, time.Millisecond - 1, year + 1, math.MaxInt64 - 1, math.MaxInt64,
	} {
		_, err := mutex.New(memory.New(), key, mutex.Config{TTL: ttl})
		var bad *mutex.ConfigError
		require.ErrorAs(t, err, &bad, "%v", ttl)
		assert.Equal(t, "TTL", bad.Field)
		assert.Equal(t, ttl, bad.Value)
		assert.Contains(t, err.Error(), "TTL is "+ttl.String()+", want a duration from 1ms")
	}
}

// rounded are TTLs, and the least number of milliseconds that is not less.
var rounded = map[time.Duration]int64{
	time.Millisecond:                       1,
	time.Millisecond + 1:                   2,
	1500 * time.Microsecond:                2,
	2 * time.Millisecond:                   2,
	100*time.Millisecond + 1:               101,
	time.Second - 1:                        1000,
	time.Second + 999_999:                  1001,
	2500*time.Millisecond + 1:              2501, // above what one who is handed the lock has at first
	time.Hour + 100*time.Microsecond:       3_600_001,
	year - 1:                               year.Milliseconds(),
	year:                                   year.Milliseconds(),
	30*time.Second + 500*time.Microsecond:  30_001,
	59*time.Second + 999*time.Microsecond:  59_001,
	365*time.Hour + 1*time.Nanosecond:      365*3_600_000 + 1,
	24*time.Hour + 999_999*time.Nanosecond: 86_400_001,
}

// What the server is asked for is never less than what the user asked for, else
// the holder would rely on a lease that has ended.
func TestHazard37_ATTLIsRoundedUpOnItsWayToTheServer(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	heard, b := s.tap(t), s.process(t)
	n := 0
	for ttl, want := range rounded {
		n++
		name := fmt.Sprint("k", n)
		m, err := mutex.New(b, name, mutex.Config{TTL: ttl})
		require.NoError(t, err)
		eventually(t, func() bool { // a short one may be over before it is asked for
			_, err := mutex.WithLock(m, effect.Succeed(1))(t.Context())
			return ttl < time.Second && len(heard.of(t, name)) > 0 || err == nil
		}, "a lease of %v", ttl)
		for _, lease := range heard.of(t, name) {
			assert.Equal(t, want, lease, "%v", ttl)
		}
	}
}

// A TTL of zero is what is not set: the default, not a lease that has ended.
func TestHazard37_ATTLOfZeroIsTheDefault(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	heard := s.tap(t)
	m, err := mutex.New(s.process(t), key, mutex.Config{})
	require.NoError(t, err)
	_, err = mutex.WithLock(m, effect.Succeed(1))(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []int64{30_000}, heard.of(t, key))
}

// The same for who uses the store without a mutex, in each way to get a lease.
func TestHazard37_EveryOperationOfTheStoreRoundsUp(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	heard, b, ctx := s.tap(t), s.process(t), t.Context()
	n := 0
	for ttl, want := range rounded {
		if ttl < time.Second-1 { // would end before the next step
			continue
		}
		n++
		name, other := fmt.Sprint("k", n), fmt.Sprint("o", n)
		claim := func(key, holder string) backing.Claim { return backing.Claim{Key: key, Holder: holder, TTL: ttl} }
		waits := func(holder string) backing.Waiter {
			return backing.Waiter{Claim: claim(name, holder), Wake: func() {}}
		}
		for step, do := range []func() (bool, error){
			func() (bool, error) { return took(b.TryAcquire(ctx, claim(name, "a"))) },
			func() (bool, error) { return took(b.TryAcquire(ctx, claim(name, "a"))) },
			func() (bool, error) { return b.Refresh(ctx, claim(name, "a")) },
			func() (bool, error) { return took(b.TryAcquire(ctx, claim(other, "a"))) },
			func() (bool, error) {
				all := b.RefreshAll(ctx, []backing.Claim{claim(name, "a"), claim(other, "a")})
				return all[0].Held && all[1].Held, all[0].Err
			},
			func() (bool, error) {
				outcome, err := b.Pass(ctx, claim(name, "a"), waits("b"), false)
				return isGranted(outcome), err
			},
			func() (bool, error) {
				outcome, err := b.Enqueue(ctx, waits("b"))
				return isGranted(outcome), err
			},
		} {
			ok, err := do()
			require.NoError(t, err, "%v, step %d", ttl, step)
			require.True(t, ok, "%v, step %d", ttl, step)
		}
		require.Len(t, heard.over(t, name), 5, "%v", ttl) // all but the first
		for _, lease := range append(heard.of(t, name), heard.of(t, other)...) {
			assert.Equal(t, want, lease, "%v", ttl)
		}
	}
}

func isGranted(o backing.Outcome) bool {
	_, ok := o.(backing.Granted)
	return ok
}

func took(grant option.Option[backing.Grant], err error) (bool, error) {
	return option.IsSome(grant), err
}

// A claim that breaks the contract of the store gets no lock.
func TestHazard37_AClaimWithoutALeaseGetsNoLock(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	b := s.process(t)
	for _, ttl := range []time.Duration{0, -1, -time.Second, math.MinInt64} {
		grant, err := b.TryAcquire(t.Context(), backing.Claim{Key: key, Holder: "h", TTL: ttl})
		assert.Error(t, err, "%v", ttl)
		assert.True(t, option.IsNone(grant), "%v", ttl)
		s.assertFree(t)
	}
}
