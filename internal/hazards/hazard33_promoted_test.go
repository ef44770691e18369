package hazards_test

import (
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
	"github.com/effectlock/effectlock/schedule"
)

// careful is a process that relies on what a replica has acknowledged.
func (r *routed) careful(t *testing.T) *redis.Backing {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{Dialer: r.dial})
	t.Cleanup(func() { _ = c.Close() })
	return redis.New(c, redis.RequireAcks(1, short))
}

// A grant of which the replica has not heard is none: the acquire fails, and leaves
// nothing behind. So when the replica takes over, one is inside.
func TestHazard33_AGrantThatNoReplicaHasAcknowledgedIsNone(t *testing.T) {
	t.Parallel()
	primary := newStore(t)
	replica := redistest.StartReplica(t, primary.Server)
	network := &routed{}
	network.goes(primary.Addr())
	replica.CatchUp(primary.Server)
	primary.StopReplicating()
	first := contend(t, network.careful(t), key, mutex.Config{TTL: long, BackingFailureRetryPolicy: schedule.Recurs(2)})
	err := first.gone(t, patience)
	var failed *mutex.MutexBackingError
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, "tryAcquire", failed.Operation)
	var few *redis.AcknowledgeError
	require.ErrorAs(t, err, &few)
	assert.Zero(t, first.seen(mutex.Acquired))
	primary.assertFree(t)

	replica.Promote()
	network.goes(replica.Addr())
	primary.Kill()
	other := contend(t, network.process(t), key, mutex.Config{TTL: long})
	other.enters(t, patience)
	other.letsGo(t)
}

// A lease that is refreshed without an acknowledgement runs on for the primary alone. Its
// holder does not rely on that: it stops before the replica, which takes over, lets
// another in.
func TestHazard33_AHolderWhoseRefreshesNoReplicaAcknowledgesStopsBeforeAnotherBegins(t *testing.T) {
	t.Parallel()
	primary := newStore(t)
	replica := redistest.StartReplica(t, primary.Server)
	promoted := store{replica, replica.Client(t)}
	network := &routed{}
	network.goes(primary.Addr())
	config := mutex.Config{TTL: lease, RefreshInterval: lease / 10, BackingFailureRetryPolicy: schedule.Spaced(pause)}
	holder := contend(t, network.careful(t), key, config)
	holder.enters(t, patience)
	p := newPulse()
	primary.StopReplicating()
	eventually(t, func() bool { return holder.seen(mutex.BackingFailed) > 0 }, "a refresh is not acknowledged")
	var few *redis.AcknowledgeError
	require.ErrorAs(t, holder.lastError(mutex.BackingFailed), &few)

	elsewhere := &routed{} // the holder still reaches the old primary
	elsewhere.goes(replica.Addr())
	replica.Promote()
	other := contend(t, elsewhere.process(t), key, mutex.Config{TTL: long})
	other.enters(t, lease+patience)
	assert.Equal(t, mutex.Expired, lossOf(t, holder.gone(t, patience)).Reason)
	assert.True(t, holder.lastSeen(mutex.Lost).Add(-p.longestPause()).Before(other.since), "two worked")
	assert.Greater(t, other.token, holder.token)
	other.letsGo(t)
	promoted.isFree(t, time.Second)
}
