package hazards_test

import (
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// balanced is a process behind a load balancer that forgets the connections in its pool: they get
// no more answers, and nobody is notified.
type balanced struct {
	store
	balancer *redistest.Proxy
	pool     *goredis.Client
	near     *redis.Backing
}

func newBalanced(s store, opts ...redis.Option) balanced {
	f := balanced{store: s, balancer: redistest.NewProxy(s.t, s.Addr())}
	f.pool = s.client(goredis.Options{Addr: f.balancer.Addr()})
	f.near = redis.New(f.pool, opts...)
	return f
}

// forgets fills both pools of the client, one of which is for pipelines, with three idle
// connections, and makes the load balancer forget all of them.
func (f balanced) forgets() {
	f.t.Helper()
	const connections = 3
	var pipelines sync.WaitGroup
	for range connections {
		pipelines.Go(func() {
			_, _ = f.pool.Pipelined(f.t.Context(), func(p goredis.Pipeliner) error {
				return p.BLPop(f.t.Context(), time.Second, "none").Err()
			})
		})
	}
	pipelines.Wait()
	var all []*goredis.Conn
	for range connections {
		conn := f.pool.Conn()
		require.NoError(f.t, conn.Ping(f.t.Context()).Err())
		all = append(all, conn)
	}
	f.balancer.Forget()
	for _, conn := range all {
		require.NoError(f.t, conn.Close())
	}
	stats := f.pool.PoolStats()
	require.GreaterOrEqual(f.t, int(stats.IdleConns), connections-1) // a refresh may use one
	require.GreaterOrEqual(f.t, int(stats.PipelineStats.IdleConns), connections-1)
}

// A lease of 30 s, the default, outlasts a few dead connections: each costs up to 2.1 s.
func TestHazard58_LeasesSurviveForgottenConnections(t *testing.T) {
	t.Parallel()
	for name, locks := range map[string]int{"one": 1, "a batch": 20, "acknowledged": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			var opts []redis.Option
			if name == "acknowledged" {
				redistest.StartReplica(t, s.Server)
				opts = append(opts, redis.RequireAcks(1, time.Second))
			}
			f := newBalanced(s, opts...)
			b := spyOn(t, f.near)
			holders := f.crowd(b, locks, mutex.Config{RefreshInterval: 2 * time.Second})
			b.refreshes()
			f.forgets()
			b.refreshes()
			for _, holder := range holders {
				holder.letsGo()
			}
			f.assertFree()
		})
	}
}

// An acquire outlives them too, and later releases and waiters are not delayed.
func TestHazard58_AnAcquireAfterAnIdleTimeSucceeds(t *testing.T) {
	t.Parallel()
	f := newBalanced(sharedStore(t))
	f.hold(f.near).letsGo()
	f.forgets()
	holder := f.hold(f.near)
	waiter := f.rival()
	holder.letsGo()
	waiter.takesTurn()
	f.assertFree()
}
