package redistest

import (
	"context"
	"strconv"
	"testing"
	"time"
)

// Migration is a hash slot on its way from one primary of a Cluster to another, as
// an operator moves it while it is in use: first the move is announced, then the keys
// move, then every server is notified.
type Migration struct {
	t        testing.TB
	cluster  *Cluster
	slot     int64
	from, to *Server
}

// Owner returns the server that has the slot of key, according to the first server,
// which must answer.
func (c *Cluster) Owner(t testing.TB, key string) *Server {
	t.Helper()
	id := c.ownerBy(t, c.Servers[0], c.slotOf(t, key))
	for _, s := range c.Servers {
		if s.id == id {
			return s
		}
	}
	t.Fatalf("redistest: node %q, which has the slot of %q, is not in the cluster", id, key)
	return nil
}

// slotOf returns the hash slot of key.
func (c *Cluster) slotOf(t testing.TB, key string) int64 {
	t.Helper()
	client := c.Servers[0].Client(t)
	defer client.Close()
	slot, err := client.ClusterKeySlot(t.Context(), key).Result()
	check(t, err)
	return slot
}

// Migrate announces that the slot of key moves to another server. From now on its
// owner answers ASK to commands on keys of that slot that it does not have.
func (c *Cluster) Migrate(t testing.TB, key string, to *Server) *Migration {
	t.Helper()
	m := &Migration{t: t, cluster: c, slot: c.slotOf(t, key), from: c.Owner(t, key), to: to}
	to.do("CLUSTER", "SETSLOT", m.slot, "IMPORTING", m.from.id)
	m.from.do("CLUSTER", "SETSLOT", m.slot, "MIGRATING", to.id)
	return m
}

// MoveKeys moves the keys that are now in the slot, one by one, and returns how many there
// were. A client that asks for a key that has moved is redirected by ASK; one that asks for
// several keys, of which one has moved or does not exist yet, is answered TRYAGAIN.
func (m *Migration) MoveKeys() (moved int) {
	m.t.Helper()
	for {
		keys := m.Keys()
		if len(keys) == 0 {
			return moved
		}
		for _, key := range keys {
			m.MoveKey(key)
			moved++
		}
	}
}

// Keys returns keys in the slot that have not moved: all of them if they are few.
func (m *Migration) Keys() []string {
	m.t.Helper()
	c := m.from.Client(m.t)
	defer c.Close()
	keys, err := c.ClusterGetKeysInSlot(m.t.Context(), int(m.slot), 100).Result()
	check(m.t, err)
	return keys
}

// MoveKey moves one key. It may have expired: NOKEY is not an error.
func (m *Migration) MoveKey(key string) {
	m.t.Helper()
	m.from.do("MIGRATE", "127.0.0.1", strconv.Itoa(m.to.port), key, 0, startLimit.Milliseconds())
}

// Finish moves the remaining keys and tells the whole Cluster which server has the slot now.
// From then on the old owner answers MOVED.
func (m *Migration) Finish() {
	m.t.Helper()
	m.MoveKeys()
	// The new owner comes first, so that the slot always has one.
	for _, s := range append([]*Server{m.to, m.from}, m.cluster.Servers...) {
		s.do("CLUSTER", "SETSLOT", m.slot, "NODE", m.to.id)
	}
	for _, s := range m.cluster.Servers {
		s.await("it knows the new owner", func() bool { return m.cluster.ownerBy(m.t, s, m.slot) == m.to.id })
	}
}

// ownerBy returns the id of the node that has the slot, according to the server.
func (c *Cluster) ownerBy(t testing.TB, s *Server, slot int64) string {
	t.Helper()
	client := s.Client(t)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	shards, err := client.ClusterShards(ctx).Result()
	check(t, err)
	for _, shard := range shards {
		for _, r := range shard.Slots {
			if r.Start <= slot && slot <= r.End {
				return shard.Nodes[0].ID
			}
		}
	}
	return ""
}
