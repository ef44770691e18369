package redistest

import (
	"strconv"
	"strings"
	"testing"
)

// StartReplica starts a server that copies primary, and returns when it has all of
// primary's data.
func StartReplica(t testing.TB, primary *Server, args ...string) *Server {
	t.Helper()
	// By default a primary waits 5 s for more replicas before it makes a copy.
	primary.Configure("repl-diskless-sync-delay", "0")
	replica := Start(t, append([]string{"--replicaof", "127.0.0.1", strconv.Itoa(primary.port)}, args...)...)
	replica.CatchUp(primary)
	return replica
}

// StartDistantReplica starts a server that copies primary through a network that breaks on
// demand: the proxy delays, cuts or resets the stream from the primary. It returns when
// the replica has all of primary's data.
func StartDistantReplica(t testing.TB, primary *Server, args ...string) (*Server, *Proxy) {
	t.Helper()
	primary.Configure("repl-diskless-sync-delay", "0")
	network := newProxy(t, primary.Addr(), true)
	host, port, _ := strings.Cut(network.Addr(), ":")
	replica := Start(t, append([]string{"--replicaof", host, port}, args...)...)
	replica.CatchUp(primary)
	return replica, network
}

// CatchUp waits until the server, a replica, has all of primary's present data.
func (s *Server) CatchUp(primary *Server) {
	s.t.Helper()
	written, err := strconv.ParseInt(primary.info("master_repl_offset"), 10, 64)
	check(s.t, err)
	s.await("it is in sync", func() bool {
		read, _ := strconv.ParseInt(s.info("slave_repl_offset"), 10, 64)
		return read >= written && s.info("master_link_status") == "up"
	})
}

// Promote makes the server a primary, with what it has copied so far.
func (s *Server) Promote() { s.t.Helper(); s.do("REPLICAOF", "NO", "ONE") }

// Demote makes the server a replica. If primary is not the address of a server, it
// keeps its data, and is a replica without a primary.
func (s *Server) Demote(primary string) {
	s.t.Helper()
	host, port, _ := strings.Cut(primary, ":")
	s.do("REPLICAOF", host, port)
}

// StopReplicating makes the server keep its writes to itself: its replicas lose their
// connections and cannot reconnect. They and their Sentinels notice no more than that.
// A proxy could cut the network between the two, but a Sentinel wants to see a replica
// copy from the very address of its primary.
func (s *Server) StopReplicating() {
	s.t.Helper()
	s.do("ACL", "SETUSER", "default", "-psync", "-sync")
	s.do("CLIENT", "KILL", "TYPE", "replica")
	s.await("it has no replica", func() bool { return s.info("connected_slaves") == "0" })
}
