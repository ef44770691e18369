package hazards_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis"
)

// cluster is a Redis Cluster, with clients that no fault touches.
type cluster struct {
	*redistest.Cluster
	masters []store
}

func newCluster(t *testing.T, args ...string) cluster {
	t.Helper()
	c := cluster{Cluster: redistest.StartCluster(t, args...)}
	for _, s := range c.Servers {
		c.masters = append(c.masters, store{s, s.Client(t)})
	}
	return c
}

// process is what another process would have.
func (c cluster) process(t *testing.T) *redis.Backing {
	t.Helper()
	return redis.New(c.Client(t))
}

// owner is the master of a lock.
func (c cluster) owner(t *testing.T, key string) store {
	t.Helper()
	owner := c.Owner(t, "dmutex:"+key)
	for _, s := range c.masters {
		if s.Server == owner {
			return s
		}
	}
	require.FailNow(t, "no such server", owner.Addr())
	return store{}
}

// other is a master that is not the owner of a lock.
func (c cluster) other(t *testing.T, key string) store {
	t.Helper()
	owner := c.owner(t, key)
	if c.masters[0].Server != owner.Server {
		return c.masters[0]
	}
	return c.masters[1]
}

// ownedBy finds names of locks of a master.
func (c cluster) ownedBy(t *testing.T, s store, n int) (names []string) {
	t.Helper()
	for i := 0; len(names) < n; i++ {
		if name := fmt.Sprint(key, i); c.owner(t, name).Server == s.Server {
			names = append(names, name)
		}
	}
	return names
}

// names are all keys and shard channels of the masters.
func (c cluster) names(t *testing.T) (keys, channels []string) {
	t.Helper()
	for _, s := range c.masters {
		found, err := s.direct.Keys(t.Context(), "*").Result()
		require.NoError(t, err)
		keys = append(keys, found...)
		found, err = s.direct.PubSubShardChannels(t.Context(), "*").Result()
		require.NoError(t, err)
		channels = append(channels, found...)
	}
	return keys, channels
}

// queued is how many stand in the queues of all locks, on whichever master.
func (c cluster) queued(t *testing.T) (n int64) {
	t.Helper()
	for _, s := range c.masters {
		for _, queue := range s.queues(t) {
			n += s.queuedAt(t, queue)
		}
	}
	return n
}

// assertFree asserts that nobody has a lock or waits for one.
func (c cluster) assertFree(t *testing.T) {
	t.Helper()
	for _, s := range c.masters {
		s.assertFree(t)
	}
	assert.Zero(t, c.queued(t))
}
