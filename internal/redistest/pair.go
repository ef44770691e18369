package redistest

import (
	"testing"

	"github.com/redis/go-redis/v9"
)

// Pair is a primary, its replica, and an address of the primary. The two servers
// change places with each Failover, and the address moves.
type Pair struct {
	Primary, Replica *Server

	name *Proxy
}

// StartPair starts a primary and a replica with the arguments.
func StartPair(t testing.TB, args ...string) *Pair {
	t.Helper()
	primary := Start(t, args...)
	replica := StartReplica(t, primary, args...)
	replica.Configure("repl-diskless-sync-delay", "0")
	return &Pair{Primary: primary, Replica: replica, name: NewProxy(t, primary.Addr())}
}

// Addr is the host:port of whichever server is currently the primary.
func (p *Pair) Addr() string { return p.name.Addr() }

// Client returns a client of the primary, closed when t ends.
func (p *Pair) Client(t testing.TB) *redis.Client {
	t.Helper()
	return closing(t, redis.NewClient(&redis.Options{Addr: p.Addr()}))
}

// Failover makes the replica the primary in good order, as FAILOVER does: no write is
// lost. The old primary lives on as the replica of the new one, with its connections;
// then the address moves. Failover returns when the new replica copies.
func (p *Pair) Failover() {
	old, next := p.Primary, p.Replica
	old.t.Helper()
	old.do("FAILOVER")
	next.await("it is the primary", func() bool { return next.info("role") == "master" })
	p.name.Move(next.Addr())
	p.Primary, p.Replica = next, old
	old.follows()
}

// follows waits until the server is a replica that copies.
func (s *Server) follows() {
	s.t.Helper()
	s.await("it is a replica", func() bool {
		return s.info("role") == "slave" && s.info("master_link_status") == "up"
	})
}
