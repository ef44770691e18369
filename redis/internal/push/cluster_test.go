package push

import (
	"strconv"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis/internal/slot"
)

// locksOn finds locks whose slots the server of node has.
func locksOn(t *testing.T, c *goredis.ClusterClient, node *goredis.Client, n int) []string {
	t.Helper()
	var locks []string
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

func TestClusterHasOneConnectionForEachMasterInUse(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	var nodes []*goredis.Client
	for _, s := range cluster.Servers {
		nodes = append(nodes, s.Client(t))
	}

	t.Run("messages of all slots arrive", func(t *testing.T) {
		c := cluster.Client(t)
		e := newListener(c)
		e.AddWaiters(1)
		defer e.AddWaiters(-1)
		for i, node := range nodes {
			locks := locksOn(t, c, node, 20)
			require.False(t, e.isReady(locks[0]))
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
		assert.Empty(t, e.gaps)
	})

	t.Run("a master that freezes holds up nobody else", func(t *testing.T) {
		c := cluster.Client(t)
		e := newListener(c)
		e.confirmWithin = confirmLimit
		frozen, fine := locksOn(t, c, nodes[0], 1)[0], locksOn(t, c, nodes[1], 2)
		e.mustListen(t, fine[0]) // the client knows the cluster now
		cluster.Servers[0].Freeze()
		_, err := e.Listen(t.Context(), frozen)
		require.ErrorIs(t, err, errUnconfirmed)
		e.mustListen(t, fine[1])
		_, err = e.Listen(t.Context(), frozen)
		require.ErrorIs(t, err, errUnconfirmed)
		cluster.Servers[0].Thaw()
		assertReceives(t, e, c.SPublish(t.Context(), e.listenAgain(t, frozen), "up"))
	})

	t.Run("a broken connection is one gap for all its slots", func(t *testing.T) {
		c := cluster.Client(t)
		e := newListener(c)
		e.AddWaiters(1)
		defer e.AddWaiters(-1)
		locks := locksOn(t, c, nodes[0], 20)
		for _, lock := range locks {
			e.mustListen(t, lock)
		}
		other := locksOn(t, c, nodes[1], 1)[0]
		e.mustListen(t, other)
		require.NoError(t, nodes[0].Do(t.Context(), "CLIENT", "KILL", "TYPE", "PUBSUB").Err())
		e.awaitGap(t)
		assert.True(t, e.isReady(other))
		e.awaitGap(t)
		for _, lock := range locks {
			assertReceives(t, e, c.SPublish(t.Context(), e.mustListen(t, lock), lock))
		}
		assert.Empty(t, e.gaps)
	})

	t.Run("a slot that moves is subscribed to at its new master", func(t *testing.T) {
		c := cluster.Client(t)
		e := newListener(c)
		e.AddWaiters(1)
		defer e.AddWaiters(-1)
		locks := locksOn(t, c, nodes[0], 2)
		moves, stays := locks[0], locks[1]
		channel := e.mustListen(t, moves)
		e.mustListen(t, stays)
		to, err := nodes[1].Do(t.Context(), "CLUSTER", "MYID").Text()
		require.NoError(t, err)
		for _, node := range []*goredis.Client{nodes[1], nodes[0], nodes[2]} {
			require.NoError(t, node.Do(t.Context(), "CLUSTER", "SETSLOT", slot.Of(moves), "NODE", to).Err())
		}
		e.awaitGap(t)
		assert.True(t, e.isReady(stays))
		e.awaitGap(t)
		require.True(t, e.isReady(moves))
		assertReceives(t, e, nodes[1].SPublish(t.Context(), channel, "moved"))
		assert.Empty(t, e.gaps)
	})
}

func TestClusterWithoutShardedPubSubIsRefused(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, "--rename-command", "SSUBSCRIBE", "")
	_, err := newListener(cluster.Client(t)).Listen(t.Context(), "k")
	require.ErrorContains(t, err, "redis: SSUBSCRIBE push:{")
	require.ErrorContains(t, err, "ERR unknown command")
}

func TestClusterOfWhichNoServerIsFoundIsTriedSeldom(t *testing.T) {
	t.Parallel()
	t.Run("down", func(t *testing.T) {
		t.Parallel()
		s := redistest.Start(t)
		s.Kill()
		c := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{s.Addr()}, MaxRetries: -1})
		defer c.Close()
		e := newListener(c)
		_, first := e.Listen(t.Context(), "k")
		require.ErrorContains(t, first, "redis: SSUBSCRIBE push:{")
		require.ErrorContains(t, first, "connection refused")
		_, second := e.Listen(t.Context(), "k")
		assert.Same(t, first, second)
	})
	t.Run("frozen", func(t *testing.T) {
		t.Parallel()
		s := redistest.Start(t)
		s.Freeze()
		c := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{s.Addr()}})
		defer c.Close()
		e := newListener(c)
		e.confirmWithin = confirmLimit
		began := time.Now()
		_, first := e.Listen(t.Context(), "k")
		require.ErrorIs(t, first, errUnconfirmed)
		for time.Since(began) < confirmLimit+3*firstPause {
			tried := time.Now()
			_, err := e.Listen(t.Context(), "k")
			require.EqualError(t, err, first.Error())
			require.Less(t, time.Since(tried), confirmLimit/2, "one search at a time")
		}
		s.Kill()
	})
}
