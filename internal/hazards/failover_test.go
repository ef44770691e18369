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

// ackBound is how long a request waits for acknowledgements.
const ackBound = 200 * time.Millisecond

// replicated is a primary, a replica, and an address of the primary.
type replicated struct {
	store
	replica  *redistest.Server
	promoted store
	name     *redistest.Proxy
}

func newReplicated(t *testing.T) replicated {
	t.Helper()
	s := newStore(t)
	replica := redistest.StartReplica(t, s.Server)
	replica.CatchUp(s.Server)
	return replicated{s, replica, store{s.arena, replica, replica.Client(t)}, redistest.NewProxy(t, s.Addr())}
}

// named is a process that uses the address; careful relies only on what a replica has acknowledged.
func (r replicated) named(opts ...redis.Option) *redis.Backing {
	return redis.New(r.client(goredis.Options{Addr: r.name.Addr()}), opts...)
}

func (r replicated) careful() *redis.Backing { return r.named(redis.RequireAcks(1, ackBound)) }

// takesOver makes the replica the primary, and gives it the address.
func (r replicated) takesOver() {
	r.replica.Promote()
	r.name.Move(r.replica.Addr())
}

// A grant that had not reached the replica is made a second time: two are inside. That is the
// limit of a store that replicates asynchronously. The second token is higher, so a resource that
// checks it refuses the first holder, which finds out at its release, if not at a refresh before.
func TestHazard33_AFailoverBeforeReplicationGrantsTwiceAndTheFirstIsFencedOff(t *testing.T) {
	t.Parallel()
	for name, known := range map[string]bool{
		"the replica knows an earlier grant": true,
		"the replica knows nothing":          false,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReplicated(t)
			r.expectsTwo()
			doc := register{sharedStore(t)}
			first := r.named()
			if known {
				r.hold(first).letsGo()
				r.replica.CatchUp(r.Server)
			}
			r.StopReplicating()
			holder := r.hold(first, mutex.Config{TTL: long, RefreshInterval: long / 2})
			assert.True(t, doc.write(holder.token))
			r.takesOver()
			r.Kill()
			other := r.hold(r.named())
			assert.Equal(t, 1, r.doubled(), "it should not know yet")
			assert.Greater(t, other.token, holder.token)
			assert.True(t, doc.write(other.token))
			assert.False(t, doc.write(holder.token), "a stale write was accepted")
			close(holder.leave)
			holder.loses(mutex.Taken)
			r.promoted.assertHolds(other) // the first one's release leaves it alone
			other.letsGo()
			r.promoted.assertFree()
		})
	}
}

// A grant that has not reached the replica does not count: the acquire fails, and leaves nothing
// behind. So when the replica takes over, only one is inside.
func TestHazard33_AGrantThatNoReplicaHasAcknowledgedIsNone(t *testing.T) {
	t.Parallel()
	r := newReplicated(t)
	r.StopReplicating()
	first := r.want(r.careful(), mutex.Config{TTL: long, BackingFailureRetryPolicy: schedule.Recurs(2)})
	err := first.gone()
	var failed *mutex.MutexBackingError
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, "tryAcquire", failed.Operation)
	var lack *redis.AcknowledgeError
	require.ErrorAs(t, err, &lack)
	assert.Equal(t, 1, lack.Needed)
	assert.Zero(t, lack.Got)
	assert.Zero(t, first.seen(mutex.Acquired))
	r.assertFree()
	r.takesOver()
	r.hold(r.named()).letsGo()
}

// Leases that are refreshed without an acknowledgement, one or many together, continue only on the
// primary. Their holders do not rely on that: they stop before the replica, which takes over, lets
// another in.
func TestHazard33_HoldersWhoseRefreshesNoReplicaAcknowledgesStopBeforeAnotherBegins(t *testing.T) {
	t.Parallel()
	r := newReplicated(t)
	b := spyOn(t, r.careful())
	holders := r.crowd(b, 5, mutex.Config{TTL: lease, RefreshInterval: lease / 10})
	b.inFlight(2)
	r.StopReplicating()
	r.replica.Promote() // the holders still reach the old primary
	elsewhere := redis.New(r.client(goredis.Options{Addr: r.replica.Addr()}))
	for _, holder := range holders {
		other := r.wantKey(holder.key, elsewhere)
		defer other.takesTurn()
	}
	for _, holder := range holders {
		var lack *redis.AcknowledgeError
		holder.loses(mutex.Expired)
		assert.ErrorAs(t, holder.loss.Cause, &lack)
	}
}

// A lock that is handed over is granted like one that was free. A replica that is away for less than
// the lease costs no lock.
func TestHazard33_AWaiterIsNotGrantedWhatTheReplicaDoesNotKnow(t *testing.T) {
	t.Parallel()
	for name, near := range map[string]bool{"of the same process": true, "of another process": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReplicated(t)
			b := r.careful()
			holder := r.hold(b)
			kept := r.holdKey(r.key+"kept", b, mutex.Config{TTL: long, RefreshInterval: short})
			if !near {
				b = r.careful()
			}
			waiter := r.wait(b)
			r.replica.Freeze()
			close(holder.leave)
			kept.awaits(mutex.BackingFailed)
			time.Sleep(5 * ackBound)
			waiter.assertOutside()
			r.replica.Thaw()
			require.NoError(t, holder.gone())
			waiter.takesTurn()
			kept.letsGo()
		})
	}
}

// With Sentinels, clients find the new primary by themselves. A grant that had not reached the
// replica is made a second time, as above.
func TestHazard33_AHolderWhoseGrantASentinelFailoverForgetsIsToldAtItsNextRefresh(t *testing.T) {
	t.Parallel()
	servers := redistest.StartSentinels(t)
	a := newArena(t)
	a.expectsTwo()
	first, second := redis.New(servers.Client(t)), redis.New(servers.Client(t))
	connect(t, first)
	connect(t, second)
	servers.Replica.CatchUp(servers.Primary)
	servers.Primary.StopReplicating()
	holder := a.hold(first, mutex.Config{TTL: long, RefreshInterval: lease})
	servers.Primary.Kill()
	servers.Failover()
	other := a.hold(second)
	assert.Greater(t, other.token, holder.token)
	holder.loses(mutex.Taken, mutex.Gone)
	promoted := store{a, servers.Replica, servers.Replica.Client(t)}
	promoted.assertHolds(other)
	other.letsGo()
	promoted.assertFree()
}

func TestHazard47_TwoNeverHoldALockAndAWaiterIsServedWhenAShardFailsOverInGoodOrder(t *testing.T) {
	t.Parallel()
	// The old master does not end the subscription: its slots have stayed in its shard.
	newShard(t).testFailover()
}

func TestHazard48_TwoNeverHoldALockAndAWaiterIsServedWhenThePrimarysAddressMoves(t *testing.T) {
	t.Parallel()
	// The connection to the old primary still works, and receives what is published on the
	// new one; but the new one counts no receiver.
	newPair(t).testFailover()
}
