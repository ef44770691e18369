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
	Primary, Replica *Server // the roles at the start

	t         testing.TB
	sentinels []*Server
	handovers int
}

// Monitored is the Sentinels' name for the primary.
const Monitored = "group"

// StartSentinels starts a primary and a replica with the arguments, and three
// Sentinels. It returns when these know each other and the replica. They consider a
// primary dead after 2 s of silence: a loaded machine may be silent for less.
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

// startSentinel starts a Sentinel that polls more often than by default: it finds the
// others and their opinions in a tenth of the time. It has no alarm about clocks (TILT),
// which a loaded machine would raise, and which lasts 30 s.
//
// A Sentinel promotes no replica that has been silent for five ping periods, and asks
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

// Addrs returns the host:port of each Sentinel.
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

// Failover makes the Sentinels swap the primary and the replica, and returns when they
// have done so and all agree. Nothing waits for the replica to catch up: data that it
// does not have by then is lost. If the primary was killed, Failover only waits until
// the Sentinels notice.
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

// HandOver makes the Sentinels swap the primary and the replica in good order: the
// primary refuses writes until it is a replica, so nothing is lost. The next HandOver
// swaps them back. It returns when everything is as it was, except for the roles.
func (g *Sentinels) HandOver() {
	g.t.Helper()
	old, next := g.Primary, g.Replica
	if g.handovers++; g.handovers%2 == 0 {
		old, next = next, old
	}
	old.Configure("min-replicas-to-write", "2") // but it has one
	next.CatchUp(old)
	first := g.sentinels[0].Client(g.t)
	defer first.Close()
	g.sentinels[0].await("it fails over", func() bool {
		// A Sentinel refuses until it has seen the replica copy from this primary, and
		// gives up if the machine is too slow to promote the replica in time.
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
		// On a slow machine, a Sentinel that did not know of the failover yet has made the
		// new primary a replica again. The old one has written nothing since.
		if next.info("role") == "slave" {
			next.Promote()
		}
		return old.info("role") == "slave" && old.info("master_link_status") == "up"
	})
	old.Configure("min-replicas-to-write", "0")
}

// state returns a field of what a Sentinel knows about the primary.
func (s *Server) state(field string) string {
	s.t.Helper()
	c := s.Client(s.t)
	defer c.Close()
	known, err := redis.NewSentinelClient(c.Options()).Master(s.t.Context(), Monitored).Result()
	check(s.t, err)
	return known[field]
}
