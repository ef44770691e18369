package pipeline

import (
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis/internal/script"
)

func TestMain(m *testing.M) { redistest.Main(m) }

var (
	// echo returns its argument.
	echo = script.New("return ARGV[1]")
	// count returns how often it has run on its key, and then its argument.
	count = script.New("return redis.call('INCR', KEYS[1]) .. ' ' .. ARGV[1]")
	// touch is a script that may be repeated.
	touch = func() *script.Script {
		s := script.New("redis.call('SET', KEYS[1], '1') return 'touched'")
		s.Idempotent = true
		return s
	}()
)

// say returns a command on a key that answers word.
func say(s *script.Script, key, word string) *Command {
	c := NewCommand(s, 1)
	c.Add(key)
	c.Add(word)
	return c
}

// warm opens the direct path for a key: the server has replied at once.
func warm(t testing.TB, p *Pipeline, key string) *sender {
	t.Helper()
	var s *sender
	require.Eventually(t, func() bool {
		_, err := p.Run(t.Context(), say(echo, key, "up"))
		require.NoError(t, err)
		var server *goredis.Client
		s, server = p.senderOf(say(echo, key, ""))
		s.mu.Lock()
		defer s.mu.Unlock()
		return !s.sending && s.direct.clientFor(server, time.Now()) != nil
	}, 30*time.Second, time.Millisecond)
	return s
}

// clientOf returns a client with the given options.
func clientOf(t testing.TB, o goredis.Options) *goredis.Client {
	t.Helper()
	c := goredis.NewClient(&o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// keepToLoop closes the direct path until the next reply.
func (p *Pipeline) keepToLoop() {
	for _, s := range p.common {
		s.mu.Lock()
		s.direct.prompt = false
		s.mu.Unlock()
	}
}
