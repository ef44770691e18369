package redis_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

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

// The network delays the first copy of a request. If go-redis repeated it, and the second
// copy was answered, nobody would know that there was a first.
func TestCopyThatWasNotAnsweredIsRefusedThoughALaterOneWas(t *testing.T) {
	t.Parallel()
	s, direct := start(t)
	slow := redistest.NewProxy(t, s.Addr())
	var past atomic.Bool
	c := dial(t, goredis.Options{
		ReadTimeout: 200 * time.Millisecond, // MaxRetries is 3
		Dialer: func(ctx context.Context, network, _ string) (net.Conn, error) {
			addr := slow.Addr()
			if past.Load() {
				addr = s.Addr()
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	})
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

// A release that finds nothing writes nothing else.
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

// holdBack is a client that is slow to write its first script: it has checked the context,
// and writes when it is told to, as go-redis may when it sets up a connection for the
// command.
type holdBack struct {
	begun   atomic.Bool
	write   chan struct{}
	written chan struct{}
}

func newHoldBack(c *goredis.Client) *holdBack {
	h := &holdBack{write: make(chan struct{}), written: make(chan struct{})}
	h.begun.Store(true)
	c.AddHook(h)
	return h
}

// next makes the next script the one that is held back.
func (h *holdBack) next() { h.begun.Store(false) }

// letGo lets the script reach the server, and returns when it has been applied.
func (h *holdBack) letGo() {
	close(h.write)
	<-h.written
}

func (*holdBack) DialHook(next goredis.DialHook) goredis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (*holdBack) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return next
}

func (h *holdBack) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		if cmd.Name() != "evalsha" || !h.begun.CompareAndSwap(false, true) {
			return next(ctx, cmd)
		}
		cmd.Args() // as if it were written, so it may be on its way
		<-h.write
		defer close(h.written)
		return next(context.WithoutCancel(ctx), cmd)
	}
}

// fails sends a request that is not answered in time.
func fails(t *testing.T, request func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, request(ctx), context.DeadlineExceeded)
}
