package pipeline

import (
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

// withIdle is a client with so many idle connections through a proxy.
func withIdle(t *testing.T, n int) (*redistest.Proxy, *redistest.Server, *goredis.Client) {
	t.Helper()
	s := redistest.Start(t)
	proxy := redistest.NewProxy(t, s.Addr())
	c := clientOf(t, goredis.Options{Addr: proxy.Addr(), PoolSize: 2 * n})
	var all []*goredis.Conn
	for range n {
		conn := c.Conn()
		require.NoError(t, conn.Ping(t.Context()).Err())
		all = append(all, conn)
	}
	for _, conn := range all {
		require.NoError(t, conn.Close())
	}
	require.EqualValues(t, n, c.PoolStats().IdleConns)
	return proxy, s, c
}

func TestIdleConnectionsThatDoNotAnswerAreClosedAtOnce(t *testing.T) {
	t.Parallel()
	proxy, _, c := withIdle(t, 10)
	var dead []*goredis.Conn
	for range 9 {
		dead = append(dead, c.Conn())
		require.NoError(t, dead[len(dead)-1].Ping(t.Context()).Err())
	}
	proxy.Forget()
	began := time.Now()
	closeDead(c)
	assert.Less(t, time.Since(began), 5*checkFor, "they are checked one after the other")
	assert.Zero(t, c.PoolStats().IdleConns)

	// One that answers is not asked in place of one that does not.
	require.NoError(t, c.Ping(t.Context()).Err())
	alive := c.Conn()
	require.NoError(t, alive.Ping(t.Context()).Err())
	for _, conn := range dead {
		require.NoError(t, conn.Close())
	}
	require.NoError(t, alive.Close()) // the next to be taken
	require.EqualValues(t, 10, c.PoolStats().IdleConns)
	closeDead(c)
	assert.EqualValues(t, 1, c.PoolStats().IdleConns)
	assert.NoError(t, c.Ping(t.Context()).Err())
}

func TestIdleConnectionsThatAnswerAreKept(t *testing.T) {
	t.Parallel()
	_, _, c := withIdle(t, 10)
	closeDead(c)
	assert.EqualValues(t, 10, c.PoolStats().IdleConns)
	assert.EqualValues(t, 10, c.PoolStats().TotalConns)
}

// A server may refuse even a PING, which is an answer.
func TestIdleConnectionsOnWhichPingIsRefusedAreKept(t *testing.T) {
	t.Parallel()
	_, s, c := withIdle(t, 10)
	direct := s.Client(t)
	require.NoError(t, direct.Do(t.Context(), "ACL", "SETUSER", "default", "-ping").Err())
	closeDead(c)
	assert.EqualValues(t, 10, c.PoolStats().IdleConns)
}

// The command that finds the first dead connection waits for it; its client has no other
// that is dead by then.
func TestCommandWithoutAReplyHasTheIdleConnectionsChecked(t *testing.T) {
	t.Parallel()
	proxy, _, c := withIdle(t, 10)
	p := New(c)
	proxy.Forget()
	_, err := p.Run(t.Context(), say(count, "k", "one"))
	require.Error(t, err) // after go-redis' read timeout
	assert.Zero(t, c.PoolStats().IdleConns)
	reply, err := p.Run(t.Context(), say(count, "k", "two"))
	require.NoError(t, err)
	assert.Equal(t, "1 two", reply.Value)
}
