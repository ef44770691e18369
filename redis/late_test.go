package redis_test

import (
	"context"
	"net"
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

// holdBack is a client that is slow to write its first script: it has looked at
// the context, and writes when it is told to, as go-redis may when it sets up a
// connection for the command.
type holdBack struct {
	begun   atomic.Bool
	write   chan struct{}
	written chan struct{}
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
		<-h.write
		defer close(h.written)
		return next(context.WithoutCancel(ctx), cmd)
	}
}

func TestAnAcquireThatLandsAfterItsReleaseIsUndone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		then func(t *testing.T, b *redis.Backing, c backing.Claim)
		want int64
	}{
		"released": {func(t *testing.T, b *redis.Backing, c backing.Claim) {
			t.Helper()
			released, err := b.Release(t.Context(), c.Key, c.Holder)
			require.NoError(t, err)
			require.False(t, released)
		}, 0},
		"asked again": {func(t *testing.T, b *redis.Backing, c backing.Claim) {
			t.Helper()
			grant, err := b.TryAcquire(t.Context(), c)
			require.NoError(t, err)
			require.True(t, option.IsSome(grant))
		}, 1},
		"released and asked again": {func(t *testing.T, b *redis.Backing, c backing.Claim) {
			t.Helper()
			_, err := b.Release(t.Context(), c.Key, c.Holder)
			require.NoError(t, err)
			grant, err := b.TryAcquire(t.Context(), c)
			require.NoError(t, err)
			require.True(t, option.IsSome(grant))
		}, 1},
		"asked again, and passed on": {func(t *testing.T, b *redis.Backing, c backing.Claim) {
			t.Helper()
			_, err := b.TryAcquire(t.Context(), c)
			require.NoError(t, err)
			pass(t, b, c.Holder, waiter(c.Key, "next"), false)
			assertReleases(t, true, b, c.Key, "next")
		}, 0},
		"left alone": {func(*testing.T, *redis.Backing, backing.Claim) {}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, client := start(t)
			acquire(t, redis.New(client), "warm", "up") // the script is in the server's cache
			slow := &holdBack{write: make(chan struct{}), written: make(chan struct{})}
			client.AddHook(slow)
			b := redis.New(client)

			claim := backing.Claim{Key: "k", Holder: "h", TTL: time.Minute}
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err := b.TryAcquire(ctx, claim)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			c.then(t, b, claim)
			close(slow.write)
			<-slow.written

			exists := func() int64 { return client.Exists(t.Context(), "dmutex:k").Val() }
			if c.want == 0 {
				assert.Eventually(t, func() bool { return exists() == 0 }, 5*time.Second, time.Millisecond)
				return
			}
			stays(t, 200*time.Millisecond, func() bool { return exists() == 1 })
		})
	}
}

func TestAReleaseOfAnEarlierGrantIsNotThatOfALaterOne(t *testing.T) {
	t.Parallel()
	_, client := start(t)
	b := redis.New(client)
	acquire(t, b, "k", "h")
	assertReleases(t, true, b, "k", "h")
	acquire(t, b, "k", "h")
	require.NoError(t, client.Del(t.Context(), "dmutex:k").Err())
	assertReleases(t, false, b, "k", "h")
}

func TestTheLongestLeaseOverflowsNothing(t *testing.T) {
	t.Parallel()
	_, client := start(t)
	grant, err := redis.New(client).TryAcquire(t.Context(), backing.Claim{Key: "k", Holder: "h", TTL: 1<<63 - 1})
	require.NoError(t, err)
	require.True(t, option.IsSome(grant))
	left, err := client.Do(t.Context(), "PTTL", "dmutex:k").Int64() // of the client, a Duration overflows
	require.NoError(t, err)
	assert.Greater(t, left, (200 * 365 * 24 * time.Hour).Milliseconds())
}

// Nobody answers the acquire, whose sender has gone, nor the release that should undo
// it. When the server goes on, it applies what it was sent.
func TestARequestThatNobodyAnswersIsUndoneWhenItLands(t *testing.T) {
	t.Parallel()
	for name, timeouts := range map[string]bool{"the sender leaves": false, "the socket gives up first": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, client := start(t)
			warm(t, redis.New(client))
			brief := goredis.NewClient(&goredis.Options{
				Addr: s.Addr(), MaxRetries: -1, ReadTimeout: 300 * time.Millisecond, ContextTimeoutEnabled: timeouts,
			})
			t.Cleanup(func() { _ = brief.Close() })
			b := redis.New(brief)
			acquire(t, b, "first", "h") // it is connected, and knows the server's version
			assertReleases(t, true, b, "first", "h")
			before := ran(t, client, "evalsha")

			s.Freeze()
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err := b.TryAcquire(ctx, backing.Claim{Key: "k", Holder: "h", TTL: time.Minute})
			require.ErrorIs(t, err, context.DeadlineExceeded)
			ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err = b.Release(ctx, "k", "h")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			time.Sleep(400 * time.Millisecond) // the client gives up its connections
			s.Thaw()
			require.Eventually(t, func() bool { return ran(t, client, "evalsha") > before }, 5*time.Second, time.Millisecond, "it lands")
			assert.Eventually(t, func() bool { return client.Exists(t.Context(), "dmutex:k").Val() == 0 }, 20*time.Second, time.Millisecond)
			stays(t, 50*time.Millisecond, func() bool { return client.Exists(t.Context(), "dmutex:k").Val() == 0 })
		})
	}
}

// The network holds the first copy of a request back. If go-redis repeated it, and the
// second copy was answered, nobody would know that there is a first.
func TestACopyThatWasNotAnsweredIsUndoneThoughALaterOneWas(t *testing.T) {
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
	for answered := false; !answered; {
		_, err := b.TryAcquire(t.Context(), claim("k", "a"))
		answered = err == nil
	}
	assertReleases(t, true, b, "k", "a")
	before := ran(t, direct, "evalsha")
	slow.Heal()
	require.Eventually(t, func() bool { return ran(t, direct, "evalsha") > before }, 5*time.Second, time.Millisecond, "it lands")
	assert.Eventually(t, func() bool { return direct.Exists(t.Context(), "dmutex:k").Val() == 0 }, 20*time.Second, time.Millisecond)
}

func TestARefreshForNoTimeIsRefused(t *testing.T) {
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
