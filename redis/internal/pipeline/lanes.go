package pipeline

import (
	"context"
	"sync"
	"sync/atomic"

	goredis "github.com/redis/go-redis/v9"
)

// lanes are those of one client: one for each master of a Cluster, so that one that is
// frozen does not hold up the others, and two common ones, so that the server has work
// while the client reads what it has answered.
type lanes struct {
	client goredis.UniversalClient

	// Only of clients whose commands take no way of their own, such as a wrapper's.
	single *goredis.Client
	direct bool // to the masters of the Cluster

	common  [2]*lane
	turn    atomic.Uint32
	cluster cluster
	masters sync.Map // address to *lane
}

// cluster is what a Cluster's client can do that others cannot.
type cluster interface {
	MasterForKey(ctx context.Context, key string) (*goredis.Client, error)
}

func (l *lanes) init(client goredis.UniversalClient) {
	l.client = client
	for i := range l.common {
		l.common[i] = newLane(client)
	}
	switch c := client.(type) {
	case *goredis.Client:
		l.single = c
	case *goredis.ClusterClient:
		l.cluster, l.direct = c, true
	case cluster:
		l.cluster = c
	}
}

// of returns the lane for a lock, the client of its server, nil if that is not known, and
// whether commands may be sent with it directly.
// Once the Cluster has answered at all, its client knows its masters without asking; what
// it knows may be out of date, but it finds the way from whichever lane.
func (l *lanes) of(lock string, answered bool) (_ *lane, server *goredis.Client, direct bool) {
	if l.cluster == nil || !answered {
		return l.freer(), l.single, l.single != nil
	}
	master, err := l.cluster.MasterForKey(context.Background(), lock)
	if err != nil {
		return l.freer(), nil, false
	}
	addr := master.Options().Addr
	found, ok := l.masters.Load(addr)
	if !ok {
		fresh := newLane(l.client)
		fresh.redirects = true
		found, _ = l.masters.LoadOrStore(addr, fresh)
	}
	return found.(*lane), master, l.direct
}

// freer is the common lane that is idle, or else either in turn.
func (l *lanes) freer() *lane {
	first, second := l.common[0], l.common[1]
	if first.isBusy() && (!second.isBusy() || l.turn.Add(1)%2 == 0) {
		return second
	}
	return first
}
