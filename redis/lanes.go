package redis

import (
	"context"
	"sync"
	"sync/atomic"

	goredis "github.com/redis/go-redis/v9"
)

// lanes are those of one client: one for each master of a Cluster, so that one that
// is frozen does not hold up the others, and two common ones, so that the server has
// work while the client reads what it has answered.
type lanes struct {
	client goredis.UniversalClient

	once    sync.Once
	common  [2]*lane
	turn    atomic.Uint32
	cluster shards
	masters sync.Map // address to *lane
}

// of returns the lane for a lock. Once the Cluster has answered at all, the client
// knows its masters without asking; what it knows may be out of date, but it finds
// the way from whichever lane.
func (l *lanes) of(lock string, answered bool) *lane {
	l.once.Do(func() {
		for i := range l.common {
			l.common[i] = newLane(l.client)
		}
		l.cluster, _ = l.client.(shards)
	})
	if l.cluster == nil || !answered {
		return l.freer()
	}
	master, err := l.cluster.MasterForKey(context.Background(), lock)
	if err != nil {
		return l.freer()
	}
	addr := master.Options().Addr
	found, ok := l.masters.Load(addr)
	if !ok {
		found, _ = l.masters.LoadOrStore(addr, newLane(l.client))
	}
	return found.(*lane)
}

// freer is the common lane that is idle, or else either in turn.
func (l *lanes) freer() *lane {
	first, second := l.common[0], l.common[1]
	if first.isBusy() && (!second.isBusy() || l.turn.Add(1)%2 == 0) {
		return second
	}
	return first
}
