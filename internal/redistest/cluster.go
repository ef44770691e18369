package redistest

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Cluster is a real Redis Cluster of three primaries without replicas, which
// share the hash slots evenly.
type Cluster struct {
	Servers []*Server
}

// StartCluster starts a Cluster and returns when all its servers agree that it
// is up. That takes a few seconds, so let tests share one.
func StartCluster(t testing.TB, args ...string) *Cluster {
	t.Helper()
	const slots, masters = 16384, 3
	c := &Cluster{}
	for range masters {
		c.Servers = append(c.Servers, Start(t, append([]string{"--cluster-enabled", "yes"}, args...)...))
	}
	ctx, first := t.Context(), c.Servers[0]
	for i, s := range c.Servers {
		client := s.Client(t)
		check(t, client.ClusterAddSlotsRange(ctx, i*slots/masters, (i+1)*slots/masters-1).Err())
		// Two nodes with the same epoch may dispute it while they meet.
		check(t, client.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err())
		host, port, _ := strings.Cut(first.Addr(), ":")
		if i > 0 {
			check(t, client.ClusterMeet(ctx, host, port).Err())
		}
		s.id = s.do("CLUSTER", "MYID")
	}
	for _, s := range c.Servers {
		s.await("the cluster is up", func() bool {
			info := s.do("CLUSTER", "INFO")
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3")
		})
	}
	return c
}

// Client returns a client for the whole Cluster, closed when t ends.
func (c *Cluster) Client(t testing.TB) *redis.ClusterClient {
	t.Helper()
	return closing(t, redis.NewClusterClient(&redis.ClusterOptions{Addrs: c.Addrs()}))
}

// Addrs returns the host:port of each server.
func (c *Cluster) Addrs() []string {
	var addrs []string
	for _, s := range c.Servers {
		addrs = append(addrs, s.Addr())
	}
	return addrs
}
