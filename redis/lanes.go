package redis

import (
	"context"
	"sync"

	goredis "github.com/redis/go-redis/v9"
)

// lanes are those of one client: one for each master of a Cluster, so that one that
// is frozen does not hold up the others, and a common one.
type lanes struct {
	client goredis.UniversalClient

	once    sync.Once
	common  *lane
	cluster shards
	masters sync.Map // address to *lane
}

// of returns the lane for a lock. Once the Cluster has answered at all, the client
// knows its masters without asking; what it knows may be out of date, but it finds
// the way from whichever lane.
func (l *lanes) of(lock string, answered bool) *lane {
	l.once.Do(func() {
		l.common = newLane(l.client)
		l.cluster, _ = l.client.(shards)
	})
	if l.cluster == nil || !answered {
		return l.common
	}
	master, err := l.cluster.MasterForKey(context.Background(), lock)
	if err != nil {
		return l.common
	}
	addr := master.Options().Addr
	found, ok := l.masters.Load(addr)
	if !ok {
		found, _ = l.masters.LoadOrStore(addr, newLane(l.client))
	}
	return found.(*lane)
}
