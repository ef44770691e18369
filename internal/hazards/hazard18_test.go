package hazards_test

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// The refresh is first waited for, or given up, and only then the lock is
// released: so no refresh is sent after the release. Those whose leases were
// refreshed with it notice nothing.
func TestHazard18_AReleaseWaitsForTheEndOfTheRefresh(t *testing.T) {
	t.Parallel()
	const interval = 400 * time.Millisecond
	for name, breaks := range map[string]func(*redistest.Proxy){
		"whose reply is late":      func(p *redistest.Proxy) { p.Delay(interval / 2) },
		"whose reply is held back": (*redistest.Proxy).CutReplies,
		"that does not arrive":     (*redistest.Proxy).Cut,
	} {
		for _, n := range []int{1, 50} {
			t.Run(fmt.Sprintf("%s, of %d", name, n), func(t *testing.T) {
				t.Parallel()
				s := newStore(t)
				network, b := s.distant(t)
				g := newGauge(b, b)
				all := map[string]*contender{}
				for _, c := range crowd(t, g, n, mutex.Config{TTL: 10 * time.Second, RefreshInterval: interval}) {
					all[c.holder] = c
				}

				breaks(network)
				leaver := all[g.inFlight(t, min(n, 2))]
				heals := time.AfterFunc(interval/2, network.Heal)
				defer heals.Stop()
				leaver.letsGo(t)

				network.Heal()
				for end := time.Now().Add(2 * interval); time.Now().Before(end); time.Sleep(look) {
					assert.Negative(t, s.ttl(t, leaver.key), "the key is there again")
				}
				_, early := g.counted()
				assert.Zero(t, early, "released while its refresh was under way")
				delete(all, leaver.holder)
				for _, c := range all {
					c.letsGo(t)
				}
				s.assertFree(t)
			})
		}
	}
}

// A refresh that was given up may still be on its way, on another connection than
// the release, which overtakes it.
func TestHazard18_ARefreshThatArrivesAfterTheReleaseRevivesNothing(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	network := redistest.NewProxy(t, s.Addr())
	slow, written := counting(t, network.Addr())
	g := newGauge(s.process(t), redis.New(slow))
	holder := contend(t, g, key, mutex.Config{TTL: 10 * time.Second, RefreshInterval: 100 * time.Millisecond})
	holder.enters(t, patience)
	// One refresh comes through, so that the server knows the script of the next.
	eventually(t, func() bool { refreshes, _ := g.counted(); return refreshes > 1 }, "it is refreshed")
	network.Cut()
	before := written.Load()
	eventually(t, func() bool { return written.Load() > before }, "the next is on its way")

	holder.letsGo(t)
	s.assertFree(t)
	asked := s.scripts(t)
	network.Heal()
	eventually(t, func() bool { return s.scripts(t) > asked }, "the refresh arrives")
	s.assertFree(t)
}

// counting is a client that counts what it is about to write to its connections.
func counting(t *testing.T, addr string) (*goredis.Client, *atomic.Int64) {
	t.Helper()
	var n atomic.Int64
	c := goredis.NewClient(&goredis.Options{Addr: addr, Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, network, addr)
		return countedConn{conn, &n}, err
	}})
	t.Cleanup(func() { _ = c.Close() })
	return c, &n
}

type countedConn struct {
	net.Conn
	n *atomic.Int64
}

func (c countedConn) Write(b []byte) (int, error) {
	c.n.Add(1)
	return c.Conn.Write(b)
}

// crowd are so many contenders, each of whom has a lock of its own; they have
// got them at about the same time.
func crowd(t *testing.T, g *gauge, n int, c mutex.Config) (all []*contender) {
	t.Helper()
	for i := range n {
		all = append(all, contend(t, g, fmt.Sprint("k", i), c))
	}
	for _, one := range all {
		one.enters(t, patience)
	}
	return all
}
