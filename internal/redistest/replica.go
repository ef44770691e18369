package redistest

import (
	"strconv"
	"strings"
	"testing"
)

// StartReplica starts a server that copies primary, and returns when it has all
// that primary has.
func StartReplica(t testing.TB, primary *Server, args ...string) *Server {
	t.Helper()
	// A primary waits 5 s for more replicas before it makes a copy.
	primary.Configure("repl-diskless-sync-delay", "0")
	replica := Start(t, append([]string{"--replicaof", "127.0.0.1", strconv.Itoa(primary.port)}, args...)...)
	replica.CatchUp(primary)
	return replica
}

// StartDistantReplica starts a server that copies primary through a network that breaks on
// demand: what the proxy delays, cuts or resets is the stream from the primary. It
// returns when the replica has all that primary has.
func StartDistantReplica(t testing.TB, primary *Server, args ...string) (*Server, *Proxy) {
	t.Helper()
	primary.Configure("repl-diskless-sync-delay", "0")
	network := newProxy(t, primary.Addr(), true)
	host, port, _ := strings.Cut(network.Addr(), ":")
	replica := Start(t, append([]string{"--replicaof", host, port}, args...)...)
	replica.CatchUp(primary)
	return replica, network
}

// CatchUp waits until the server, a replica, has all that primary has now.
func (s *Server) CatchUp(primary *Server) {
	s.t.Helper()
	written, err := strconv.ParseInt(primary.info("master_repl_offset"), 10, 64)
	check(s.t, err)
	s.await("it is in sync", func() bool {
		read, _ := strconv.ParseInt(s.info("slave_repl_offset"), 10, 64)
		return read >= written && s.info("master_link_status") == "up"
	})
}

// Promote makes a primary of the server, with what it has copied so far.
func (s *Server) Promote() { s.t.Helper(); s.do("REPLICAOF", "NO", "ONE") }

// Demote makes a replica of the server. The address need not be that of a server:
// then it keeps what it has, and is a replica without a primary.
func (s *Server) Demote(primary string) {
	s.t.Helper()
	host, port, _ := strings.Cut(primary, ":")
	s.do("REPLICAOF", host, port)
}

// StopReplicating has the server write for itself alone: its replicas lose their
// connections, and are not let in again. They and their Sentinels notice no more
// than that. For a network that is cut between the two a proxy would do, but a
// Sentinel wants to see a replica copy from the very address of its primary.
func (s *Server) StopReplicating() {
	s.t.Helper()
	s.do("ACL", "SETUSER", "default", "-psync", "-sync")
	s.do("CLIENT", "KILL", "TYPE", "replica")
	s.await("it has no replica", func() bool { return s.info("connected_slaves") == "0" })
}
