package hazards_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// What the replica had not heard of is granted a second time: two are inside. That
// is what a store that replicates asynchronously can do. The token of the second is
// higher, so a resource that looks at it refuses the first, who is told at its next
// refresh.
func TestHazard33_AFailoverBeforeReplicationGrantsTwiceAndTheFirstIsFencedOff(t *testing.T) {
	t.Parallel()
	const interval = 8 * time.Second
	for name, known := range map[string]bool{
		"the replica knows an earlier grant": true,
		"the replica knows nothing":          false,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			primary, doc := newStore(t), register{newStore(t).direct}
			replica := redistest.StartReplica(t, primary.Server)
			promoted := store{replica, replica.Client(t)}
			network := &routed{}
			network.goes(primary.Addr())
			first, second := network.process(t), network.process(t)
			if known {
				connect(t, first)
				earlier := contend(t, first, key, mutex.Config{TTL: long})
				earlier.enters(t, patience)
				earlier.letsGo(t)
				replica.CatchUp(primary.Server)
			}
			primary.StopReplicating()
			holder := contend(t, first, key, mutex.Config{TTL: long, RefreshInterval: interval})
			holder.enters(t, patience)
			assert.True(t, doc.write(t, holder.token))

			replica.Promote()
			network.goes(replica.Addr())
			primary.Kill()
			other := contend(t, second, key, mutex.Config{TTL: long})
			other.enters(t, patience)
			select {
			case <-holder.done:
				require.Fail(t, "it should not know yet", "%v", holder.err)
			default: // two are inside
			}
			assert.Greater(t, other.token, holder.token)
			assert.True(t, doc.write(t, other.token))
			assert.False(t, doc.write(t, holder.token), "a stale write was accepted")

			lost := lossOf(t, holder.gone(t, interval+2*little))
			assert.Equal(t, mutex.Taken, lost.Reason)
			assert.Equal(t, 1, holder.seen(mutex.Lost))
			promoted.assertHolds(t, other) // the first one's release leaves it alone
			other.letsGo(t)
			promoted.assertFree(t)
		})
	}
}

// The same with Sentinels, whose clients find the new primary by themselves.
func TestHazard33_AHolderWhoseGrantASentinelFailoverForgetsIsToldAtItsNextRefresh(t *testing.T) {
	t.Parallel()
	const interval = 2 * time.Second
	eachFailover(t, func(t *testing.T, group *redistest.Sentinels, fails func()) {
		doc := register{newStore(t).direct}
		first, second := redis.New(group.Client(t)), redis.New(group.Client(t))
		connect(t, first)
		connect(t, second)
		group.Replica.CatchUp(group.Primary)
		group.Primary.StopReplicating()
		holder := contend(t, first, key, mutex.Config{TTL: long, RefreshInterval: interval})
		holder.enters(t, patience)
		assert.True(t, doc.write(t, holder.token))
		fails()
		other := contend(t, second, key, mutex.Config{TTL: long})
		other.enters(t, patience)
		assert.Greater(t, other.token, holder.token)
		assert.True(t, doc.write(t, other.token))
		assert.False(t, doc.write(t, holder.token), "a stale write was accepted")
		lost := lossOf(t, holder.gone(t, interval+bound+2*little)) // one refresh may meet the old primary
		assert.NotEqual(t, mutex.Expired, lost.Reason)
		promoted := store{group.Replica, group.Replica.Client(t)}
		promoted.assertHolds(t, other)
		other.letsGo(t)
		promoted.assertFree(t)
	})
}

// What the replica knows survives: the lock and its last token. Those who wait get
// the lock afterwards, in whatever order: one whose subscription takes longer to come
// back is passed over, until it asks again.
func TestHazard33_AFailoverAfterReplicationKeepsTheLockAndServesThoseWhoWait(t *testing.T) {
	t.Parallel()
	eachFailover(t, func(t *testing.T, group *redistest.Sentinels, fails func()) {
		primary := store{group.Primary, group.Primary.Client(t)}
		promoted := store{group.Replica, group.Replica.Client(t)}
		b := newTries(redis.New(group.Client(t)))
		holder := contend(t, b, key, mutex.Config{TTL: long, RefreshInterval: time.Second})
		holder.enters(t, patience)
		var waiters []*contender
		for range 2 {
			waiters = append(waiters, contend(t, redis.New(group.Client(t)), key, mutex.Config{TTL: long}))
			primary.awaitQueue(t, int64(len(waiters)))
		}
		group.Replica.CatchUp(group.Primary)
		fails()
		b.awaitSuccess(t)
		promoted.assertHolds(t, holder)
		for _, who := range waiters {
			assertOutside(t, who)
		}
		holder.letsGo(t)
		serve(t, holder.token, waiters...)
		promoted.assertFree(t)
	})
}

// eachFailover runs a test with a failover that an operator asks for, and with one
// after the death of the primary. The test calls fails.
func eachFailover(t *testing.T, test func(t *testing.T, group *redistest.Sentinels, fails func())) {
	t.Helper()
	for name, dies := range map[string]bool{"as planned": false, "after the death of the primary": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			group := redistest.StartSentinels(t)
			test(t, group, func() {
				if dies {
					group.Primary.Kill()
				}
				group.Failover()
			})
		})
	}
}

// routed is a network in which a server's name is given to another. Connections
// that are open stay where they are.
type routed struct{ to atomic.Pointer[string] }

func (r *routed) goes(addr string) { r.to.Store(&addr) }

func (r *routed) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, *r.to.Load())
}

func (r *routed) process(t *testing.T) *redis.Backing {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{Dialer: r.dial})
	t.Cleanup(func() { _ = c.Close() })
	return redis.New(c)
}
