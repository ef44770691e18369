package contention_test

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

// failoversVariable says how many failovers of each kind there are.
const failoversVariable = "EFFECTLOCK_FAILOVERS"

// The failovers are in good order: what was written is not lost, and the old primary
// lives on as the replica of the new one, with its subscribers, who receive by
// replication what is published on the new one. There are so many waiters that some are
// in each phase of waiting when the lock's store moves.

func TestEightProcessesCountThroughFailoversOfAPrimaryWhoseAddressMoves(t *testing.T) {
	pair := redistest.StartPair(t)
	countThroughFailovers(t, target{Addr: pair.Addr()}, pair.Failover)
}

func TestEightProcessesCountThroughFailoversOfAShard(t *testing.T) {
	shard := redistest.StartShard(t)
	countThroughFailovers(t, target{Cluster: shard.Addrs()}, shard.Failover)
}

func TestEightProcessesCountThroughFailoversBySentinels(t *testing.T) {
	group := redistest.StartSentinels(t)
	countThroughFailovers(t, target{Sentinels: group.Addrs()}, group.HandOver)
}

func countThroughFailovers(t *testing.T, lock target, failOver func()) {
	t.Helper()
	const ttl = 10 * time.Second // longer than any failover, for which nothing can be refreshed
	h := trial{
		processes: 8, increments: 200, lock: lock, ttl: ttl, slow: 300 * time.Millisecond,
		failovers: failovers(t), failOver: failOver,
	}.run(t, redistest.Start(t))
	assertExclusion(t, h)
	f := h.figures()
	assert.Empty(t, f.lost, "no lease may be lost by a failover that loses nothing")
	assert.Zero(t, f.unanswered, "attempts failed, though the store was soon back")
	assert.Less(t, f.longestWait, ttl, "a waiter was served only when a lease had ended")
}

func failovers(t *testing.T) int {
	t.Helper()
	said, ok := os.LookupEnv(failoversVariable)
	if !ok {
		return 2
	}
	n, err := strconv.Atoi(said)
	require.NoError(t, err, failoversVariable)
	return n
}
