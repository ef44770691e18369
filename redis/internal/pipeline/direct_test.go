package pipeline

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis/internal/script"
)

func TestCommandThatFindsItsSenderIdleIsSentByItsCaller(t *testing.T) {
	t.Parallel()
	o := goredis.Options{Addr: redistest.Start(t).Addr()}
	withDeadline, short := o, o
	withDeadline.ContextTimeoutEnabled = true
	short.ReadTimeout, short.WriteTimeout = 90*time.Millisecond, 90*time.Millisecond
	for name, o := range map[string]goredis.Options{"default client": o, "client with a deadline": withDeadline, "client of short timeouts": short} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := New(clientOf(t, o))
			run := func(s *script.Script, want string) {
				reply, err := p.Run(t.Context(), say(s, "k", "v"))
				require.NoError(t, err)
				require.Equal(t, want, reply.Value)
			}
			p.common[1] = p.common[0]
			directly(t, p, "k", func() { run(echo, "v") })
			directly(t, p, "k", func() {
				unknown := script.New("return '" + rand.Text() + "' and ARGV[1]")
				run(unknown, "v")
			})
			directly(t, p, "k", func() {
				_, err := p.Run(t.Context(), say(script.New("return redis.error_reply('MINE ' .. ARGV[1])"), "k", "own"))
				require.EqualError(t, err, "MINE own")
				assert.False(t, MayBeApplied(err))
			})
		})
	}
}

// looped counts what the loops send.
type looped struct {
	goredis.UniversalClient
	trips
}

func (l *looped) Process(ctx context.Context, cmd goredis.Cmder) error {
	l.n.Add(1)
	return l.UniversalClient.Process(ctx, cmd)
}

func (l *looped) Pipeline() goredis.Pipeliner {
	l.n.Add(1)
	return l.UniversalClient.Pipeline()
}

// directly uses a key in a way that must take the direct path. The loop may send the
// command if the machine is so busy that a reply was not prompt, but not often.
func directly(t *testing.T, p *Pipeline, key string, do func()) {
	t.Helper()
	require.Eventually(t, func() bool {
		s, l := warm(t, p, key), &looped{UniversalClient: p.client}
		use := func(c goredis.UniversalClient) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.client = c
		}
		use(l)
		defer use(p.client)
		do()
		return l.n.Load() == 0
	}, 30*time.Second, time.Millisecond)
}

func TestSlowReplyIsWaitedForByTheLoop(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	proxy := redistest.NewProxy(t, s.Addr())
	p := New(clientOf(t, goredis.Options{Addr: proxy.Addr()}))
	_, err := p.Run(t.Context(), say(count, "k", "x"))
	require.NoError(t, err)
	warm(t, p, "k")
	proxy.Delay(200 * time.Millisecond)
	reply, err := p.Run(t.Context(), say(count, "k", "x"))
	require.NoError(t, err)
	assert.Equal(t, Reply{Value: "3 x", Repeated: true}, reply)
	for _, want := range []string{"4 x", "5 x", "6 x", "7 x", "8 x", "9 x"} { // none of them is sent twice, even after a second
		reply, err := p.Run(t.Context(), say(count, "k", "x"))
		require.NoError(t, err)
		assert.Equal(t, Reply{Value: want}, reply)
	}
	proxy.Heal()
	directly(t, p, "k", func() { // again
		_, err = p.Run(t.Context(), say(echo, "k", ""))
		require.NoError(t, err)
	})
}

func TestOnlyWhatMayBeRepeatedIsWhenItsConnectionBreaks(t *testing.T) {
	t.Parallel()
	proxy := redistest.NewProxy(t, redistest.Start(t).Addr())
	p := New(clientOf(t, goredis.Options{Addr: proxy.Addr()}))
	warm(t, p, "k")
	_, err := p.Run(t.Context(), say(count, "k", "x"))
	require.NoError(t, err)
	p.keepToLoop()
	proxy.DropReplies(1, count.SHA)
	_, err = p.Run(t.Context(), say(count, "k", "x"))
	require.Error(t, err)
	assert.True(t, MayBeApplied(err))
	warm(t, p, "k")
	_, err = p.Run(t.Context(), say(touch, "k", ""))
	require.NoError(t, err)
	proxy.DropReplies(1, touch.SHA)
	reply, err := p.Run(t.Context(), say(touch, "k", ""))
	require.NoError(t, err)
	assert.Equal(t, Reply{Value: "touched", Repeated: true}, reply)
}

func TestPoolThatIsExhaustedIsWaitedForByTheLoop(t *testing.T) {
	t.Parallel()
	c := clientOf(t, goredis.Options{Addr: redistest.Start(t).Addr(), PoolSize: 1, PoolTimeout: 10 * time.Second})
	p := New(c)
	warm(t, p, "k")
	conn := c.Conn()
	require.NoError(t, conn.Ping(t.Context()).Err()) // takes the only connection
	inTime(t, 50*time.Millisecond, func() time.Time {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := p.Run(ctx, say(echo, "k", "v"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		return began
	})
	answers := make(chan Reply, 1)
	go func() {
		reply, err := p.Run(t.Context(), say(echo, "k", "v"))
		assert.NoError(t, err)
		answers <- reply
	}()
	require.Eventually(t, func() bool { return p.common[0].hasSentAll() || p.common[1].hasSentAll() }, 5*time.Second, time.Millisecond)
	require.NoError(t, conn.Close())
	assert.Equal(t, Reply{Value: "v"}, <-answers)
}

func TestAllocations(t *testing.T) { //nolint:paralleltest // counts what the process allocates
	c := redistest.Start(t).Client(t)
	p := New(c)
	warm(t, p, "k")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	keys := []string{"a key of a lock"}
	plain := testing.AllocsPerRun(500, func() { _ = c.EvalSha(ctx, echo.SHA, keys, "a holder's id").Err() })
	ours := testing.AllocsPerRun(500, func() { _, _ = p.Run(ctx, say(echo, keys[0], "a holder's id")) })
	assert.LessOrEqual(t, ours, plain)
}
