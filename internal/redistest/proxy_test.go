package redistest_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

// through returns a client that goes through a proxy and never repeats a
// command, and one that bypasses the proxy.
func through(t *testing.T) (*redistest.Proxy, *redis.Client, *redis.Client) {
	t.Helper()
	s := redistest.Start(t)
	p := redistest.NewProxy(t, s.Addr())
	c := redis.NewClient(&redis.Options{Addr: p.Addr(), ContextTimeoutEnabled: true, MaxRetries: -1})
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.Ping(t.Context()).Err())
	return p, c, s.Client(t)
}

// timesOut asserts that a command is not answered.
func timesOut(t *testing.T, c *redis.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, c.Incr(ctx, "n").Err(), os.ErrDeadlineExceeded)
}

func TestALostAnswerBelongsToACommandThatWasApplied(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lose    func(*redistest.Proxy)
		answers int // how many are lost
		heals   bool
		dropped int
	}{
		"one":                     {func(p *redistest.Proxy) { p.DropReplies(1, "incr") }, 1, false, 1},
		"all until healed":        {func(p *redistest.Proxy) { p.DropReplies(-1, "n") }, 3, true, 3},
		"by a reset":              {func(p *redistest.Proxy) { p.AfterNext("n", p.Reset) }, 1, false, 0},
		"none, when it is healed": {func(p *redistest.Proxy) { p.AfterNext("incr", p.Reset); p.Heal() }, 0, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, c, direct := through(t)
			test.lose(p)
			require.NoError(t, c.Set(t.Context(), "m", 5, 0).Err(), "other commands are not affected")
			for range test.answers {
				require.Error(t, c.Incr(t.Context(), "n").Err())
			}
			require.Equal(t, test.dropped, p.Dropped())
			applied, err := direct.IncrBy(t.Context(), "n", 0).Result()
			require.NoError(t, err)
			require.EqualValues(t, test.answers, applied)
			if test.heals {
				p.Heal()
			}
			require.EqualValues(t, test.answers+1, c.Incr(t.Context(), "n").Val(), "no more answers are lost")
		})
	}
}

func TestAnAnswerIsHeldBackThoughItsCommandIsApplied(t *testing.T) {
	t.Parallel()
	for name, holdBack := range map[string]func(*redistest.Proxy) (goOn func()){
		"by cut replies": func(p *redistest.Proxy) func() { p.CutReplies(); return p.Heal },
		"by a cut after the command": func(p *redistest.Proxy) func() {
			p.AfterNext("INCR", p.Cut)
			return p.Heal
		},
		"by what is done after the command": func(p *redistest.Proxy) func() {
			goOn := make(chan struct{})
			p.AfterNext("incr", func() { <-goOn })
			return func() { close(goOn) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, c, direct := through(t)
			goOn := holdBack(p)
			answered := make(chan error, 1)
			go func() { answered <- c.Incr(t.Context(), "n").Err() }()
			require.Eventually(t, func() bool { return direct.Get(t.Context(), "n").Val() == "1" }, 10*time.Second, time.Millisecond)
			select {
			case err := <-answered:
				require.Fail(t, "the answer got through", "%v", err)
			case <-time.After(20 * time.Millisecond):
			}
			goOn()
			require.NoError(t, <-answered, "the answer arrives later")
			require.EqualValues(t, 2, c.Incr(t.Context(), "n").Val(), "only one command was affected")
		})
	}
}

func TestCutHoldsBackCommandsAndKeepsSocketsOpen(t *testing.T) {
	t.Parallel()
	p, c, direct := through(t)
	p.Cut()
	timesOut(t, c)
	require.ErrorIs(t, direct.Get(t.Context(), "n").Err(), redis.Nil, "the command must not get through")
	p.Heal()
	require.NoError(t, c.Ping(t.Context()).Err())
}

func TestDelayHoldsBackReplies(t *testing.T) {
	t.Parallel()
	p, c, _ := through(t)
	p.Delay(60 * time.Millisecond)
	began := time.Now()
	require.NoError(t, c.Ping(t.Context()).Err())
	assert.GreaterOrEqual(t, time.Since(began), 60*time.Millisecond)
}

func TestResetBreaksConnectionsThatExist(t *testing.T) {
	t.Parallel()
	p, c, _ := through(t)
	conn := c.Conn()
	defer conn.Close()
	require.NoError(t, conn.Ping(t.Context()).Err())
	p.Reset()
	require.Error(t, conn.Ping(t.Context()).Err())
	require.NoError(t, c.Ping(t.Context()).Err(), "new connections can be made")
}

func TestForgottenConnectionsLoseWhatIsSentAndNewOnesWork(t *testing.T) {
	t.Parallel()
	p, c, direct := through(t)
	p.Forget()
	timesOut(t, c)
	require.EqualValues(t, 1, c.Incr(t.Context(), "n").Val(), "on another connection")
	p.Heal()
	require.Equal(t, "1", direct.Get(t.Context(), "n").Val(), "it must not arrive later")
}

func TestAProxyLosesNotificationsAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, version := range []int{2, 3} {
		server := redistest.Start(t)
		proxy := redistest.NewProxy(t, server.Addr())
		direct := server.Client(t)
		far := redis.NewClient(&redis.Options{Addr: proxy.Addr(), Protocol: version})
		t.Cleanup(func() { _ = far.Close() })
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()

		subscribed := far.Subscribe(ctx, "c")
		t.Cleanup(func() { _ = subscribed.Close() })
		_, err := subscribed.Receive(ctx)
		require.NoError(t, err)

		n := 0
		proxy.DropNotifications(func() bool { n++; return n%3 == 0 })
		long := strings.Repeat("x", 100_000) // more than one read
		for i, said := range []string{"1", "2", "3", "4\r\n$7", long, "6", "7"} {
			require.NoError(t, direct.Publish(ctx, "c", said).Err())
			if (i+1)%3 != 0 {
				m, err := subscribed.ReceiveMessage(ctx)
				require.NoError(t, err)
				assert.Equal(t, said, m.Payload)
			}
		}
		require.NoError(t, far.Set(ctx, "k", "message", 0).Err())
		assert.Equal(t, "message", far.Get(ctx, "k").Val())
		require.NoError(t, far.HSet(ctx, "h", "a", 1).Err())
		assert.Equal(t, map[string]string{"a": "1"}, far.HGetAll(ctx, "h").Val())
		assert.Equal(t, []any{"x", nil, int64(1)}, far.Eval(ctx, "return {'x', false, 1}", nil).Val())
	}
}
