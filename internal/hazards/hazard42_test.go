package hazards_test

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

// bother does to the lock of key, on behalf of one who does not have it, whatever
// could have its TTL count for the holder's lease. The attempt is another each time.
func bother(t *testing.T, b ableStore, who string, attempt int, ttl time.Duration) {
	t.Helper()
	ctx := t.Context()
	claim := backing.Claim{Key: key, Holder: who, TTL: ttl, Attempt: strconv.Itoa(attempt)}
	waiter := backing.Waiter{Claim: claim, Wake: func() {}}
	got, err := took(b.TryAcquire(ctx, claim))
	require.NoError(t, err)
	assert.False(t, got)
	for range 2 {
		outcome, err := b.Enqueue(ctx, waiter)
		require.NoError(t, err)
		assert.IsType(t, backing.Queued{}, outcome)
	}
	held, err := b.Refresh(ctx, claim)
	require.NoError(t, err)
	assert.False(t, held)
	another := claim
	another.Key = key + " of " + who // so that it is a batch
	_, err = b.TryAcquire(ctx, another)
	require.NoError(t, err)
	assert.False(t, b.RefreshAll(ctx, []backing.Claim{claim, another})[0].Held)
	for _, yield := range []bool{false, true} {
		outcome, err := b.Pass(ctx, claim, waiter, yield)
		require.NoError(t, err)
		assert.Equal(t, backing.Refused{}, outcome)
	}
	released, err := b.Release(ctx, key, who)
	require.NoError(t, err)
	assert.False(t, released)
}

// The lease of a holder is what the holder asked for, whoever else wants the lock.
func TestHazard42_AnothersTTLChangesNoLease(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ holders, others time.Duration }{
		"a shorter one": {long, 10 * time.Millisecond},
		"a longer one":  {30 * time.Second, 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			holder, other := s.process(t), s.process(t)
			heard := s.tap(t)
			got, err := took(holder.TryAcquire(t.Context(), backing.Claim{Key: key, Holder: "holder", TTL: c.holders}))
			require.NoError(t, err)
			require.True(t, got)
			for n := range 10 {
				bother(t, other, "other", n, c.others)
			}
			assert.Empty(t, heard.over(t, key), "somebody has written a lease over the holder's")
			assert.Equal(t, c.holders.Milliseconds(), heard.of(t, key)[0])
			held, err := holder.Refresh(t.Context(), backing.Claim{Key: key, Holder: "holder", TTL: c.holders})
			require.NoError(t, err)
			assert.True(t, held)
		})
	}
}

// The same without a server: the lease is neither over sooner nor later.
func TestHazard42_AnothersTTLChangesNoLeaseInMemory(t *testing.T) {
	t.Parallel()
	for name, others := range map[string]time.Duration{"a shorter one": time.Millisecond, "a longer one": time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := memory.New()
				_, err := b.TryAcquire(t.Context(), backing.Claim{Key: key, Holder: "holder", TTL: long})
				require.NoError(t, err)
				for n := range 59 {
					time.Sleep(long/60 - time.Millisecond)
					bother(t, b, "other", n, others)
				}
				time.Sleep(long/60 + 59*time.Millisecond - 1)
				holder, err := b.GetHolder(t.Context(), key)
				require.NoError(t, err)
				assert.Equal(t, option.Some("holder"), holder)
				time.Sleep(time.Nanosecond)
				locked, err := b.IsLocked(t.Context(), key)
				require.NoError(t, err)
				assert.False(t, locked)
			})
		})
	}
}

// A waiter with another TTL is given a lease of its own: when it is inside it has the
// whole of its TTL, and never had more, by which it would keep others out for longer
// than it said. That holds from process to process, and from goroutine to goroutine.
func TestHazard42_ALeaseThatIsHandedOnIsThatOfTheNext(t *testing.T) {
	t.Parallel()
	const brief = 10 * time.Second
	for name, processes := range map[string]int{"in one process": 1, "from process to process": 2} {
		for order, ttls := range map[string][2]time.Duration{"a longer one first": {time.Hour, brief}, "a shorter one first": {brief, time.Hour}} {
			t.Run(order+" "+name, func(t *testing.T) {
				t.Parallel()
				s := newStore(t)
				heard := s.tap(t)
				one := s.process(t)
				other := one
				if processes > 1 {
					other = s.process(t)
				}
				first := contend(t, one, key, mutex.Config{TTL: ttls[0]})
				first.enters(t, patience)
				second := contend(t, other, key, mutex.Config{TTL: ttls[1], RefreshInterval: brief / 4})
				second.waits(t)
				if processes > 1 {
					s.awaitQueue(t, 1)
				}
				before := heard.over(t, key) // its refreshes
				for _, lease := range before {
					assert.Equal(t, ttls[0].Milliseconds(), lease)
				}
				first.letsGo(t)
				second.enters(t, patience)
				assert.LessOrEqual(t, s.ttl(t, key), ttls[1])
				assert.Greater(t, s.ttl(t, key), ttls[1]-brief/2, "it does not have its whole lease")
				for i, lease := range heard.over(t, key)[len(before):] {
					assert.LessOrEqual(t, lease, ttls[1].Milliseconds(), "lease %d", i)
				}
				second.letsGo(t)
			})
		}
	}
}

// A holder is not evicted by one who is in more of a hurry.
func TestHazard42_AHolderOutlivesTheTTLOfThoseWhoWait(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	holder := contend(t, s.process(t), key, mutex.Config{TTL: long})
	holder.enters(t, patience)
	hasty := mutex.Config{TTL: 300 * time.Millisecond, AcquireRetryPolicy: schedule.Spaced(20 * time.Millisecond).UpTo(3 * time.Second)}
	for _, c := range []*contender{contend(t, s.process(t), key, hasty), contend(t, s.process(t), key, hasty)} {
		assert.Error(t, c.gone(t, patience)) // the policy has ended, or a loaded machine has failed to answer in time
		assert.Zero(t, c.seen(mutex.Acquired))
	}
	assert.Zero(t, holder.seen(mutex.Lost))
	holder.letsGo(t)
	s.assertFree(t)
}
