package redistest

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// term is the least time between two elections of the same master, with the timeout of a
// Shard: until then it remembers the votes of the first, and takes them for those of the
// second.
const term = 4500 * time.Millisecond

// Shard is a Cluster of one shard: a master with all slots, and its replica. The two
// change places with each Failover.
type Shard struct {
	Primary, Replica *Server

	elected map[*Server]time.Time // when each became the master
}

// StartShard starts both, and returns when they agree that the Cluster is up and the
// replica has all of the master's data.
func StartShard(t testing.TB, args ...string) *Shard {
	t.Helper()
	args = append([]string{
		"--repl-diskless-sync-delay", "0",
		// Short, and with it the pause between two failovers.
		"--cluster-node-timeout", "1000",
		// Nobody but the operator fails over, however long a loaded machine is silent.
		"--cluster-replica-no-failover", "yes",
	}, args...)
	primary := StartEndpoint(t, args...)
	replica := Start(t, append([]string{"--cluster-enabled", "yes"}, args...)...)
	primary.id, replica.id = primary.do("CLUSTER", "MYID"), replica.do("CLUSTER", "MYID")
	host, port, _ := strings.Cut(primary.Addr(), ":")
	replica.do("CLUSTER", "MEET", host, port)
	// CLUSTER REPLICATE is refused until the two have shaken hands.
	replica.await("it knows the master", func() bool {
		nodes := replica.do("CLUSTER", "NODES")
		return strings.Contains(nodes, primary.id) && strings.Contains(nodes, " 0-16383")
	})
	replica.do("CLUSTER", "REPLICATE", primary.id)
	replica.follows()
	primary.knowsReplica()
	for _, s := range []*Server{primary, replica} {
		s.await("the cluster is up", func() bool { return strings.Contains(s.do("CLUSTER", "INFO"), "cluster_state:ok") })
	}
	return &Shard{Primary: primary, Replica: replica, elected: map[*Server]time.Time{}}
}

// StartEndpoint starts a server with all slots of a Cluster of its own: one address
// for all keys, where a command still may not touch keys of several slots. Managed
// services and proxies look like that to a client of a single server.
func StartEndpoint(t testing.TB, args ...string) *Server {
	t.Helper()
	s := Start(t, append([]string{"--cluster-enabled", "yes"}, args...)...)
	s.do("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
	s.await("the cluster is up", func() bool { return strings.Contains(s.do("CLUSTER", "INFO"), "cluster_state:ok") })
	return s
}

// Addrs returns the host:port of both.
func (s *Shard) Addrs() []string { return []string{s.Primary.Addr(), s.Replica.Addr()} }

// Client returns a client of the Cluster, closed when t ends.
func (s *Shard) Client(t testing.TB) *redis.ClusterClient {
	t.Helper()
	return closing(t, redis.NewClusterClient(&redis.ClusterOptions{Addrs: s.Addrs()}))
}

// Failover makes the replica the master in good order, as CLUSTER FAILOVER does: no
// write is lost. The old master lives on as the replica of the new one, with its
// connections. Failover returns when the new replica copies. It keeps some 2 s between
// failovers.
func (s *Shard) Failover() {
	old, next := s.Primary, s.Replica
	old.t.Helper()
	time.Sleep(time.Until(s.elected[next].Add(term)))
	next.do("CLUSTER", "FAILOVER")
	next.await("it is the master", func() bool { return next.info("role") == "master" })
	s.elected[next] = time.Now()
	s.Primary, s.Replica = next, old
	old.follows()
	next.knowsReplica()
}

// knowsReplica waits until the server, a master, knows its replica: before that it
// ignores a replica that asks for a failover.
func (s *Server) knowsReplica() {
	s.t.Helper()
	s.await("it knows its replica", func() bool { return strings.Contains(s.do("CLUSTER", "NODES"), " "+s.id+" ") })
}
