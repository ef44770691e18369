package hazards_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// balanced is a process behind a load balancer that has forgotten all the connections
// in its pool: nothing is answered on them, and nobody is told.
type balanced struct {
	store
	balancer *redistest.Proxy
	client   *goredis.Client
	b        *redis.Backing
}

func newBalanced(t *testing.T, opts ...redis.Option) *balanced {
	t.Helper()
	f := &balanced{store: newStore(t)}
	f.balancer = redistest.NewProxy(t, f.Addr())
	f.client = client(t, f.balancer.Addr())
	f.b = redis.New(f.client, opts...)
	return f
}

// forgets fills both pools of the client, of which one is for pipelines, with so many idle
// connections, and has all of them forgotten.
func (f *balanced) forgets(t *testing.T, connections int) {
	t.Helper()
	var pipelines sync.WaitGroup
	for range connections {
		pipelines.Go(func() {
			_, _ = f.client.Pipelined(t.Context(), func(p goredis.Pipeliner) error {
				return p.BLPop(t.Context(), time.Second, "none").Err()
			})
		})
	}
	pipelines.Wait()
	var all []*goredis.Conn
	for range connections {
		conn := f.client.Conn()
		require.NoError(t, conn.Ping(t.Context()).Err())
		all = append(all, conn)
	}
	f.balancer.Forget()
	for _, conn := range all {
		require.NoError(t, conn.Close())
	}
	stats := f.client.PoolStats()
	require.GreaterOrEqual(t, int(stats.IdleConns), connections)
	require.GreaterOrEqual(t, int(stats.PipelineStats.IdleConns), connections)
}

// Leases are refreshed each 10 s with the defaults, and last for 20 s more. Each dead
// connection costs up to 2.1 s of that.
func TestHazard58_LeasesSurviveForgottenConnections(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		locks int
		opts  []redis.Option
	}{
		{"one", 1, nil},
		{"a batch", 20, nil},
		{"acknowledged", 1, []redis.Option{redis.RequireAcks(1, time.Second)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newBalanced(t, c.opts...)
			if c.opts != nil {
				redistest.StartReplica(t, f.Server)
			}
			var holders []*contender
			for i := range c.locks {
				holder := contend(t, f.b, fmt.Sprint(key, i), mutex.Config{})
				holder.enters(t, patience)
				holders = append(holders, holder)
			}
			f.forgets(t, 3)
			eventually(t, func() bool { return f.ttl(t, holders[0].key) < 21*time.Second }, "a refresh is due")
			for _, holder := range holders {
				eventually(t, func() bool {
					return f.ttl(t, holder.key) > 25*time.Second || holder.seen(mutex.Lost) > 0
				}, "%s is refreshed", holder.key)
				require.Zero(t, holder.seen(mutex.Lost), "%v", holder.lastError(mutex.Lost))
			}
			for _, holder := range holders {
				holder.letsGo(t)
			}
			f.assertFree(t)
		})
	}
}

// An acquire outlives them too, and the releases and the waiters after it wait no longer.
func TestHazard58_AnAcquireAfterAnIdleTimeSucceedsInBoundedTime(t *testing.T) {
	t.Parallel()
	for _, connections := range []int{1, 3} {
		t.Run(fmt.Sprint(connections), func(t *testing.T) {
			t.Parallel()
			f := newBalanced(t)
			contender := contend(t, f.b, key, mutex.Config{})
			contender.enters(t, patience)
			contender.letsGo(t)
			f.forgets(t, connections)
			contender = contend(t, f.b, key, mutex.Config{})
			contender.enters(t, patience)
			waiter := contend(t, f.process(t), key, mutex.Config{})
			waiter.waits(t)
			contender.letsGo(t)
			waiter.enters(t, bound+little)
			waiter.letsGo(t)
			f.assertFree(t)
		})
	}
}

// The connection of the subscription is forgotten too.
func TestHazard58_AWaiterIsServedThoughItsConnectionsAreForgotten(t *testing.T) {
	t.Parallel()
	f := newBalanced(t)
	holder := contend(t, f.process(t), key, mutex.Config{})
	holder.enters(t, patience)
	waiter := contend(t, f.b, key, mutex.Config{})
	waiter.waits(t)
	f.awaitListeners(t, 1)
	f.forgets(t, 3)
	holder.letsGo(t)
	waiter.enters(t, patience)
	waiter.letsGo(t)
	f.assertFree(t)
}
