package push

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis/internal/slot"
)

// locksOn finds locks whose slots are at node.
func locksOn(t *testing.T, c *goredis.ClusterClient, node *goredis.Client, n int) (locks []string) {
	t.Helper()
	for i := 0; len(locks) < n; i++ {
		lock := "dmutex:" + strconv.Itoa(i)
		master, err := c.MasterForKey(t.Context(), lock)
		require.NoError(t, err)
		if master.Options().Addr == node.Options().Addr {
			locks = append(locks, lock)
		}
	}
	return locks
}

// outdated is a Cluster's client that takes another server for the master until it is asked
// to reload the topology.
type outdated struct {
	*goredis.ClusterClient
	server *goredis.Client
	loaded atomic.Bool
}

func (o *outdated) MasterForKey(ctx context.Context, key string) (*goredis.Client, error) {
	if !o.loaded.Load() {
		return o.server, nil
	}
	return o.ClusterClient.MasterForKey(ctx, key)
}

func (o *outdated) ReloadState(ctx context.Context) {
	o.loaded.Store(true)
	o.ClusterClient.ReloadState(ctx)
}

func TestClusterHasOneConnectionForEachMasterInUse(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	c := cluster.Client(t)
	var nodes []*goredis.Client
	for _, s := range cluster.Servers {
		nodes = append(nodes, s.Client(t))
	}

	t.Run("messages of all slots arrive", func(t *testing.T) {
		e := newListener(t, c)
		for i, node := range nodes {
			locks := locksOn(t, c, node, 20)
			for _, lock := range locks {
				channel := e.mustListen(t, lock)
				assert.Equal(t, slot.Of(lock), slot.Of(channel))
				assert.Regexp(t, `^push:\{\d+\}:me$`, channel)
				assertReceives(t, e, c.SPublish(t.Context(), channel, lock))
			}
			assert.Len(t, subscribers(t, node), 1)
			for _, later := range nodes[i+1:] {
				assert.Empty(t, subscribers(t, later), "its slots were not asked for")
			}
		}
		e.awaitGaps(t, 3) // the first confirmations
	})

	t.Run("a master that freezes holds up nobody else", func(t *testing.T) {
		e := newListener(t, c)
		e.confirmWithin = confirmLimit
		frozen, fine := locksOn(t, c, nodes[0], 1)[0], locksOn(t, c, nodes[1], 2)
		e.listenAgain(t, fine[0])
		cluster.Servers[0].Freeze()
		_, err := e.Listen(t.Context(), frozen)
		require.ErrorIs(t, err, errUnconfirmed)
		e.listenAgain(t, fine[1])
		_, err = e.Listen(t.Context(), frozen)
		require.ErrorIs(t, err, errUnconfirmed)
		cluster.Servers[0].Thaw()
		assertReceives(t, e, c.SPublish(t.Context(), e.listenAgain(t, frozen), "up"))
	})

	t.Run("a broken connection is one gap for all its slots", func(t *testing.T) {
		e := newListener(t, c)
		locks, other := locksOn(t, c, nodes[0], 20), locksOn(t, c, nodes[1], 1)[0]
		for _, lock := range append(locks, other) {
			e.mustListen(t, lock)
		}
		require.NoError(t, nodes[0].Do(t.Context(), "CLIENT", "KILL", "TYPE", "PUBSUB").Err())
		e.awaitGaps(t, 4) // two first confirmations, the end, and the next confirmation
		assert.True(t, e.isReady(other))
		for _, lock := range locks {
			assertReceives(t, e, c.SPublish(t.Context(), e.listenAgain(t, lock), lock))
		}
		assert.Len(t, subscribers(t, nodes[0]), 1)
		e.awaitGaps(t, 4)
	})

	t.Run("a client that is out of date is asked to load the topology", func(t *testing.T) {
		e := newListener(t, &outdated{ClusterClient: c, server: nodes[1]})
		lock := locksOn(t, c, nodes[0], 1)[0]
		_, err := e.Listen(t.Context(), lock)
		require.ErrorContains(t, err, "MOVED")
		assertReceives(t, e, c.SPublish(t.Context(), e.listenAgain(t, lock), "found"))
	})

	t.Run("a slot that moves is subscribed to at its new master", func(t *testing.T) {
		e := newListener(t, c)
		locks := locksOn(t, c, nodes[0], 2)
		moves, stays := locks[0], locks[1]
		channel := e.mustListen(t, moves)
		e.mustListen(t, stays)
		to, err := nodes[1].Do(t.Context(), "CLUSTER", "MYID").Text()
		require.NoError(t, err)
		for _, node := range []*goredis.Client{nodes[1], nodes[0], nodes[2]} {
			require.NoError(t, node.Do(t.Context(), "CLUSTER", "SETSLOT", slot.Of(moves), "NODE", to).Err())
		}
		e.awaitGaps(t, 2)
		assert.True(t, e.isReady(stays))
		e.listenAgain(t, moves)
		assertReceives(t, e, nodes[1].SPublish(t.Context(), channel, "moved"))
	})
}

func TestClusterOfWhichNoServerIsFoundFailsAtOnce(t *testing.T) {
	t.Parallel()
	c := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}, MaxRetries: -1})
	t.Cleanup(func() { _ = c.Close() })
	e := newListener(t, c)
	_, first := e.Listen(t.Context(), "k")
	require.ErrorContains(t, first, "connection refused")
	_, second := e.Listen(t.Context(), "k")
	require.EqualError(t, second, first.Error())
}

func TestClusterWithoutShardedPubSubIsRefused(t *testing.T) {
	t.Parallel()
	_, err := newListener(t, redistest.StartCluster(t, "--rename-command", "SSUBSCRIBE", "").Client(t)).Listen(t.Context(), "k")
	require.ErrorContains(t, err, "redis: SSUBSCRIBE push:{")
	require.ErrorContains(t, err, "ERR unknown command")
}
