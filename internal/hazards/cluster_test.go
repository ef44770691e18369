package hazards_test

import (
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis"
)

// cluster is a Redis Cluster, with clients that no fault affects, and a lock.
type cluster struct {
	*arena
	*redistest.Cluster
	masters []store
}

func newCluster(t *testing.T, args ...string) cluster {
	t.Helper()
	return clusterOf(t, redistest.StartCluster(t, args...))
}

func clusterOf(t *testing.T, servers *redistest.Cluster) cluster {
	t.Helper()
	c := cluster{newArena(t), servers, nil}
	for _, s := range c.Servers {
		c.masters = append(c.masters, store{c.arena, s, s.Client(t)})
	}
	return c
}

var sharedServers = shared[*redistest.Cluster]{start: func(t testing.TB) *redistest.Cluster { return redistest.StartCluster(t) }}

// sharedCluster returns one Cluster for all tests that stop none of its masters. Slots may move.
func sharedCluster(t *testing.T) cluster {
	t.Helper()
	return clusterOf(t, sharedServers.use(t))
}

// process returns a Backing such as another process would have.
func (c cluster) process() *redis.Backing { return redis.New(c.Client(c.t)) }

// moves moves keys from master to master. Only one test does so at a time.
func moves(step func()) {
	sharedServers.moving.Lock()
	defer sharedServers.moving.Unlock()
	step()
}

// owner returns the master of a lock.
func (c cluster) owner(name string) store {
	c.t.Helper()
	owner := c.Owner(c.t, lockKey(name))
	for _, s := range c.masters {
		if s.Server == owner {
			return s
		}
	}
	require.FailNow(c.t, "no such server", owner.Addr())
	return store{}
}

// other returns a master that is not the owner of a lock.
func (c cluster) other(name string) store {
	c.t.Helper()
	if owner := c.owner(name); c.masters[0].Server == owner.Server {
		return c.masters[1]
	}
	return c.masters[0]
}

// ownedBy returns names of locks that a master owns.
func (c cluster) ownedBy(s store, n int) (names []string) {
	c.t.Helper()
	for i := 0; len(names) < n; i++ {
		if c.owner(c.name(i)).Server == s.Server {
			names = append(names, c.name(i))
		}
	}
	return names
}

// rival returns a contender of another process that waits in the queue.
func (c cluster) rival() *contender {
	c.t.Helper()
	owner := c.owner(c.key)
	before := owner.queued(c.key)
	who := c.want(c.process())
	owner.awaitQueue(before + 1)
	return who
}

// assertFree asserts that nobody has a lock of the test or waits for one.
func (c cluster) assertFree() {
	c.t.Helper()
	for _, s := range c.masters {
		s.assertFree()
	}
}

// slotOf returns the slot of a key.
func (s store) slotOf(key string) int64 {
	s.t.Helper()
	slot, err := s.direct.ClusterKeySlot(s.t.Context(), key).Result()
	require.NoError(s.t, err)
	return slot
}

// A group is a primary and its replica that change places in good order. No write is lost,
// and the old primary lives on with its connections.
type group struct {
	*arena
	client   func(t testing.TB) goredis.UniversalClient
	primary  func() *redistest.Server
	failOver func()
}

func newPair(t *testing.T) group {
	t.Helper()
	p := redistest.StartPair(t)
	return group{
		arena:    newArena(t),
		client:   func(t testing.TB) goredis.UniversalClient { return p.Client(t) },
		primary:  func() *redistest.Server { return p.Primary },
		failOver: p.Failover,
	}
}

func newShard(t *testing.T) group {
	t.Helper()
	s := redistest.StartShard(t)
	return group{
		arena:    newArena(t),
		client:   func(t testing.TB) goredis.UniversalClient { return s.Client(t) },
		primary:  func() *redistest.Server { return s.Primary },
		failOver: s.Failover,
	}
}

func (g group) process() *redis.Backing { return redis.New(g.client(g.t)) }

// channels returns how many channels have a subscriber on the primary.
func (g group) channels() int {
	g.t.Helper()
	c := goredis.NewClient(&goredis.Options{Addr: g.primary().Addr()})
	defer c.Close()
	plain, err := c.PubSubChannels(g.t.Context(), "*").Result()
	require.NoError(g.t, err)
	sharded, err := c.PubSubShardChannels(g.t.Context(), "*").Result()
	require.NoError(g.t, err)
	return len(plain) + len(sharded)
}

// testFailover fails over while one process holds the lock and another waits for it. The waiter is
// subscribed to the new primary before the lock is released, and a third process waits too, so that
// a subscriber of the old primary may mistake a message from the new one for that of another grant.
func (g group) testFailover() {
	g.t.Helper()
	holder := g.hold(g.process())
	waiter := g.wait(g.process())
	eventually(g.t, func() bool { return g.channels() > 0 }, "it is subscribed")
	g.failOver()
	eventually(g.t, func() bool { return g.channels() > 0 }, "it is subscribed to the new primary")
	late := g.wait(g.process())
	waiter.assertOutside()
	holder.letsGo()
	all := []*contender{waiter, late}
	first := oneOf(g.t, all)
	time.Sleep(short) // the other may mistake a message for its own
	all[first].letsGo()
	all[1-first].takesTurn()
}
