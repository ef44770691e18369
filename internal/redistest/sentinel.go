package redistest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Sentinels are three Sentinels around a primary and its replica.
type Sentinels struct {
	Primary, Replica *Server // as they were at the start

	t         testing.TB
	sentinels []*Server
	handovers int
}

// Monitored is the name that the Sentinels know the primary by.
const Monitored = "group"

// StartSentinels starts a primary and a replica with the arguments, and three
// Sentinels. It returns when these know each other and the replica. They take a
// primary for dead that has been silent for 2 s: a loaded machine may be silent for
// less.
func StartSentinels(t testing.TB, args ...string) *Sentinels {
	t.Helper()
	group := &Sentinels{t: t, Primary: Start(t, args...)}
	group.Replica = StartReplica(t, group.Primary, args...)
	for range 3 {
		group.sentinels = append(group.sentinels, startSentinel(t, group.Primary))
	}
	for _, s := range group.sentinels {
		s.await("it knows the others", func() bool {
			return s.state("num-other-sentinels") == "2" && s.state("num-slaves") == "1"
		})
	}
	return group
}

// startSentinel starts a Sentinel that looks around more often than it would: the
// others and their opinions are found in a tenth of the time. It knows no alarm
// about clocks, which a loaded machine would raise, and which ends after 30 s.
//
// It promotes no replica that has not answered for five ping periods, and asks
// each once a second while the primary is down: five periods must be longer than that.
func startSentinel(t testing.TB, primary *Server) *Server {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "sentinel.conf")
	check(t, os.WriteFile(config, fmt.Appendf(nil, `sentinel monitor %[1]s 127.0.0.1 %[2]d 2
sentinel down-after-milliseconds %[1]s 2000
sentinel failover-timeout %[1]s 3000
`, Monitored, primary.port), 0o600))
	s := &Server{
		t: t, binary: binary(t), dir: dir, ready: "Sentinel ID is",
		config: []string{config}, args: []string{"--sentinel"},
	}
	s.start()
	for name, ms := range map[string]int{
		"info-period": 500, "ping-period": 500, "ask-period": 200, "publish-period": 200,
		"tilt-trigger": 60_000, "min-link-reconnect-period": 1000,
	} {
		s.do("SENTINEL", "DEBUG", name, ms)
	}
	return s
}

// Addrs is the host:port of each Sentinel.
func (g *Sentinels) Addrs() (addrs []string) {
	for _, s := range g.sentinels {
		addrs = append(addrs, s.Addr())
	}
	return addrs
}

// Client returns a client that asks the Sentinels for the primary, closed when
// t ends.
func (g *Sentinels) Client(t testing.TB) *redis.Client {
	t.Helper()
	return closing(t, redis.NewFailoverClient(&redis.FailoverOptions{MasterName: Monitored, SentinelAddrs: g.Addrs()}))
}

// Failover has the Sentinels make the replica the primary and the primary a
// replica, and returns when they have, and all agree. Nobody waits until the
// replica has all that the primary has: what it has not by then is lost. If the
// primary was killed, it does no more than to wait until they notice by themselves.
func (g *Sentinels) Failover() {
	g.t.Helper()
	if g.Primary.process != nil {
		g.sentinels[0].do("SENTINEL", "FAILOVER", Monitored)
	}
	for _, s := range g.sentinels {
		s.await("it follows the new primary", func() bool { return s.state("port") == strconv.Itoa(g.Replica.port) })
	}
	if g.Primary.process != nil {
		g.Primary.await("it is a replica", func() bool { return g.Primary.info("role") == "slave" })
	}
}

// HandOver has the Sentinels make the replica the primary and the primary its replica,
// in good order: the primary refuses to write until it is a replica, so nothing is lost.
// The next one is the other way round. It returns when all is as it was, but for
// the roles.
func (g *Sentinels) HandOver() {
	g.t.Helper()
	old, next := g.Primary, g.Replica
	if g.handovers++; g.handovers%2 == 0 {
		old, next = next, old
	}
	old.Configure("min-replicas-to-write", "2") // it has one
	next.CatchUp(old)
	first := g.sentinels[0].Client(g.t)
	defer first.Close()
	g.sentinels[0].await("it fails over", func() bool {
		// It refuses until it has seen that the replica copies from this primary, and
		// gives up when the machine is so slow that the replica is not promoted in time.
		if g.sentinels[0].state("port") == strconv.Itoa(next.port) {
			return true
		}
		_ = redis.NewSentinelClient(first.Options()).Failover(g.t.Context(), Monitored).Err()
		return false
	})
	for _, s := range g.sentinels {
		s.await("it follows the new primary", func() bool { return s.state("port") == strconv.Itoa(next.port) })
	}
	old.await("it is a replica", func() bool {
		// On a slow machine a Sentinel that did not yet know of the failover has made the new
		// primary a replica again. The old one has written nothing since.
		if next.info("role") == "slave" {
			next.Promote()
		}
		return old.info("role") == "slave" && old.info("master_link_status") == "up"
	})
	old.Configure("min-replicas-to-write", "0")
}

// state is what a Sentinel knows of the primary.
func (s *Server) state(field string) string {
	s.t.Helper()
	c := s.Client(s.t)
	defer c.Close()
	known, err := redis.NewSentinelClient(c.Options()).Master(s.t.Context(), Monitored).Result()
	check(s.t, err)
	return known[field]
}
