package redis_test

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
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

func TestAcquireThatArrivesAfterItsReleaseIsRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		then   func(t *testing.T, b *redis.Backing, c backing.Claim)
		holder string
	}{
		"released": {func(t *testing.T, b *redis.Backing, c backing.Claim) {
			assertReports(t, backing.NotHeld, b, c)
		}, ""},
		"released, and another has it": {func(t *testing.T, b *redis.Backing, c backing.Claim) {
			assertReports(t, backing.NotHeld, b, c)
			acquire(t, b, c.Key, "another")
		}, "another"},
		"asked again": {func(t *testing.T, b *redis.Backing, c backing.Claim) {
			acquire(t, b, c.Key, c.Holder)
		}, "h"},
		"asked again, and released": {func(t *testing.T, b *redis.Backing, c backing.Claim) {
			acquire(t, b, c.Key, c.Holder)
			assertReports(t, backing.FreedNow, b, c)
		}, ""},
		"asked again, passed on, and released": {func(t *testing.T, b *redis.Backing, c backing.Claim) {
			acquire(t, b, c.Key, c.Holder)
			passes(t, b, c.Holder, waiter(c.Key, "next"), false)
			assertReports(t, backing.FreedEarlier, b, c)
			assertReports(t, backing.FreedNow, b, claim(c.Key, "next"))
		}, ""},
		"left alone": {func(*testing.T, *redis.Backing, backing.Claim) {}, "h"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, client := start(t)
			acquire(t, redis.New(client), "warm", "up") // the script is in the server's cache
			slow := newHoldBack(client)
			b := redis.New(client)
			c := claim("k", "h")
			slow.next()
			fails(t, func(ctx context.Context) error { _, err := b.TryAcquire(ctx, c); return err })
			tt.then(t, b, c)
			slow.letGo()
			assert.Equal(t, tt.holder, holderOf(t, client))
		})
	}
}

func TestEnqueueThatArrivesAfterItsReleaseIsRefused(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	direct := redis.New(c)
	acquire(t, direct, "k", "a")
	queues(t, direct, waiter("k", "x")) // the server knows the script
	assertReleases(t, false, direct, "k", "x")
	slow := newHoldBack(c)
	b := redis.New(c)
	queues(t, b, waiter("k", "y"))
	slow.next()
	late := waiter("k", "b")
	fails(t, func(ctx context.Context) error { _, err := b.Enqueue(ctx, late.Waiter); return err })
	assertReports(t, backing.NotHeld, b, late.Claim)
	slow.letGo()
	assert.Equal(t, []string{"y"}, waiters(t, c))
	assert.Equal(t, backing.Refused{}, enqueue(t, b, late), "nor does it ask again")
}

// waiters are those in the queue, without released claims.
func waiters(t *testing.T, c *goredis.Client) (holders []string) {
	t.Helper()
	for _, member := range c.ZRange(t.Context(), queueKey, 0, -1).Val() {
		if !strings.HasPrefix(member, "x ") {
			holders = append(holders, member[strings.LastIndex(member, " ")+1:])
		}
	}
	return holders
}

func TestLockIsNotPassedToAClaimThatWasReleasedInDoubt(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	slow := newHoldBack(c)
	b, other := redis.New(c), redis.New(c)
	next, waits := waiter("k", "next"), waiter("k", "w")
	acquire(t, b, "k", "a")
	slow.next()
	fails(t, func(ctx context.Context) error { _, err := b.TryAcquire(ctx, next.Claim); return err })
	assertReports(t, backing.NotHeld, b, next.Claim)
	slow.letGo()
	queues(t, other, waits)
	assert.Equal(t, backing.MustPoll{}, pass(t, b, "a", next, false))
	waits.isGranted(t, other)
}

// Another attempt of the same holder is another claim.
func TestLaterAttemptIsNotRefused(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	slow := newHoldBack(c)
	b := redis.New(c)
	first := backing.Claim{Key: "k", Holder: "h", TTL: lease, Attempt: "1"}
	second := backing.Claim{Key: "k", Holder: "h", TTL: lease, Attempt: "2"}
	acquire(t, b, "warm", "up")
	slow.next()
	fails(t, func(ctx context.Context) error { _, err := b.TryAcquire(ctx, first); return err })
	assertReports(t, backing.NotHeld, b, first)
	grant, err := b.TryAcquire(t.Context(), second)
	require.NoError(t, err)
	require.True(t, option.IsSome(grant))
	require.NoError(t, c.PExpire(t.Context(), "dmutex:k", lease/2).Err())
	slow.letGo()
	assert.LessOrEqual(t, c.PTTL(t.Context(), "dmutex:k").Val(), lease/2, "the lease of the second is its own")
	grant, err = b.TryAcquire(t.Context(), first)
	require.NoError(t, err)
	assert.True(t, option.IsNone(grant))
}

func TestReleasedClaimsAreForgottenAfterAMinute(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	slow := newHoldBack(c)
	b := redis.New(c)
	acquire(t, b, "warm", "up")
	now := c.Time(t.Context()).Val()
	for name, ago := range map[string]time.Duration{"old": 70 * time.Second, "recent": 30 * time.Second} {
		at := float64(1<<53 + now.Add(-ago).UnixMicro())
		require.NoError(t, c.ZAdd(t.Context(), queueKey, goredis.Z{Score: at, Member: "x " + name}).Err())
	}
	slow.next()
	fails(t, func(ctx context.Context) error { _, err := b.TryAcquire(ctx, claim("k", "h")); return err })
	assertReports(t, backing.NotHeld, b, claim("k", "h"))
	slow.letGo()
	assert.Equal(t, []string{"recent", "h"}, inQueue(t, c))
	assert.InDelta(t, time.Minute, c.PTTL(t.Context(), queueKey).Val(), float64(20*time.Second))
	assert.Positive(t, acquire(t, b, "k", "another"), "they keep nobody from the lock")
	assertReports(t, backing.FreedNow, b, claim("k", "another"))
}

// The network holds the first copy of a request back. If go-redis repeated it, and the
// second copy was answered, nobody would know that there is a first.
func TestCopyThatWasNotAnsweredIsRefusedThoughALaterOneWas(t *testing.T) {
	t.Parallel()
	s, direct := start(t)
	slow := redistest.NewProxy(t, s.Addr())
	var past atomic.Bool
	c := goredis.NewClient(&goredis.Options{
		ReadTimeout: 200 * time.Millisecond, // MaxRetries is 3
		Dialer: func(ctx context.Context, network, _ string) (net.Conn, error) {
			addr := slow.Addr()
			if past.Load() {
				addr = s.Addr()
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	})
	t.Cleanup(func() { _ = c.Close() })
	b := redis.New(c)
	warm(t, b)
	slow.Cut()
	past.Store(true)
	require.Eventually(t, func() bool {
		_, err := b.TryAcquire(t.Context(), claim("k", "a"))
		return err == nil
	}, 30*time.Second, time.Millisecond)
	assertReleases(t, true, b, "k", "a")
	before := ran(t, direct, "evalsha")
	slow.Heal()
	require.Eventually(t, func() bool { return ran(t, direct, "evalsha") > before }, 20*time.Second, time.Millisecond, "it arrives")
	stays(t, 100*time.Millisecond, func() bool { return holderOf(t, direct) == "" })
}

// Nothing else is written by a release that finds nothing.
func TestClaimInDoubtIsRefusedByAFullServerToo(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	slow := newHoldBack(c)
	b := redis.New(c)
	warm(t, b)
	require.NoError(t, c.ConfigSet(t.Context(), "maxmemory", "1").Err())
	slow.next()
	fails(t, func(ctx context.Context) error { _, err := b.TryAcquire(ctx, claim("k", "h")); return err })
	assertReports(t, backing.NotHeld, b, claim("k", "h"))
	require.NoError(t, c.ConfigSet(t.Context(), "maxmemory", "0").Err())
	slow.letGo()
	assert.Empty(t, holderOf(t, c))
}
