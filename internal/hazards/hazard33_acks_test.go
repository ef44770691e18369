package hazards_test

import (
	"context"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
	"github.com/effectlock/effectlock/schedule"
)

// ackBound is how long acknowledgements are waited for.
const ackBound = 200 * time.Millisecond

func TestHazard33_WithAcknowledgementsLossyFailoversNeverMakeTwoHoldALock(t *testing.T) {
	t.Parallel()
	doubles := loseData(t, redis.RequireAcks(1, ackBound))
	t.Logf("of %d failovers: %v", lossyFailovers(), doubles)
	assert.Empty(t, doubles)
}

// An acquire that too few replicas know of fails, with how many there were, and leaves
// nothing: neither a lock nor a waiter.
func TestHazard33_AnAcquireWithTooFewAcknowledgementsFailsAndLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		replicas, frozen, needed, got int
	}{
		"no replica":                    {0, 0, 1, 0},
		"one of two":                    {1, 0, 2, 1},
		"the only one does not answer":  {1, 1, 1, 0},
		"one of those does not answer":  {2, 1, 2, 1},
		"nobody of those that are many": {2, 2, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			var replicas []*redistest.Server
			for range c.replicas {
				replicas = append(replicas, redistest.StartReplica(t, s.Server))
			}
			// One that has just come is sent what is new a second later.
			require.NoError(t, s.direct.Set(t.Context(), "first", 1, 0).Err())
			require.EqualValues(t, c.replicas, s.direct.Wait(t.Context(), c.replicas, patience).Val())
			b := redis.New(client(t, s.Addr()), redis.RequireAcks(c.needed, ackBound))
			for _, r := range replicas[:c.frozen] {
				r.Freeze()
				defer r.Thaw()
			}
			for way, acquire := range acquiring {
				m := newMutex(t, b, key, mutex.Config{TTL: long, BackingFailureRetryPolicy: schedule.Stop()})
				_, err := acquire(m, func(context.Context) (effect.Void, error) {
					assert.Fail(t, "it works", way)
					return effect.Void{}, nil
				})(t.Context())
				var failed *mutex.MutexBackingError
				require.ErrorAs(t, err, &failed, way)
				assert.Equal(t, "tryAcquire", failed.Operation, way)
				var lack *redis.AcknowledgeError
				require.ErrorAs(t, failed.Cause, &lack, way)
				assert.Equal(t, c.needed, lack.Needed, way)
				assert.Equal(t, c.got, lack.Got, way)
				assert.False(t, backing.IsPermanent(err), way)
				assert.ErrorIs(t, s.direct.Get(t.Context(), "dmutex:"+key).Err(), goredis.Nil, way)
			}
			// One that needs no acknowledgement finds the lock free, and nobody before it.
			other := contend(t, s.process(t), key, mutex.Config{TTL: long})
			other.enters(t, little)
			other.letsGo(t)
		})
	}
}

// An acquire goes on trying, as after any other failure of the store.
func TestHazard33_AnAcquireSucceedsWhenTheReplicaIsBack(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	replica := redistest.StartReplica(t, s.Server)
	replica.Freeze()
	who := contend(t, redis.New(client(t, s.Addr()), redis.RequireAcks(1, ackBound)), key, mutex.Config{TTL: long})
	eventually(t, func() bool { return who.seen(mutex.BackingFailed) > 1 }, "it fails")
	assertOutside(t, who)
	replica.Thaw()
	who.enters(t, bound+little)
	who.letsGo(t)
}

// A refresh that the replicas do not acknowledge may be forgotten with the primary, so the
// holder must not rely on it.
func TestHazard33_ARefreshWithTooFewAcknowledgementsDoesNotExtendTheLease(t *testing.T) {
	t.Parallel()
	const ttl = 3 * time.Second
	for _, n := range []int{1, 5} { // one refresh, or one of many
		s := newStore(t)
		replica := redistest.StartReplica(t, s.Server)
		b := redis.New(client(t, s.Addr()), redis.RequireAcks(1, ackBound))
		var holders []*contender
		for i := range n {
			who := contend(t, b, key+string(rune('0'+i)), mutex.Config{TTL: ttl, RefreshInterval: 500 * time.Millisecond})
			who.enters(t, patience)
			holders = append(holders, who)
		}
		time.Sleep(ttl) // it is refreshed
		replica.Freeze()
		began := time.Now()
		for _, who := range holders {
			lost := lossOf(t, who.gone(t, ttl+little))
			assert.Equal(t, mutex.Expired, lost.Reason)
			var lack *redis.AcknowledgeError
			require.ErrorAs(t, lost.Cause, &lack)
			assert.Equal(t, 1, lack.Needed)
			assert.Zero(t, lack.Got)
		}
		assert.Greater(t, time.Since(began), ttl-little)
		replica.Thaw()
	}
}

func TestHazard33_ALockOutlivesAReplicaThatIsAwayForLessThanTheLease(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	replica := redistest.StartReplica(t, s.Server)
	config := mutex.Config{TTL: 6 * time.Second, RefreshInterval: 500 * time.Millisecond}
	holder := contend(t, redis.New(client(t, s.Addr()), redis.RequireAcks(1, ackBound)), key, config)
	holder.enters(t, patience)
	replica.Freeze()
	eventually(t, func() bool { return holder.seen(mutex.BackingFailed) > 0 }, "a refresh fails")
	replica.Thaw()
	time.Sleep(config.TTL + little)
	assert.Zero(t, holder.seen(mutex.Lost), "%v", holder.lastError(mutex.Lost))
	holder.letsGo(t)
}

// A lock that is handed over is granted as it is when it was free.
func TestHazard33_AWaiterIsNotGrantedWhatTheReplicaDoesNotKnow(t *testing.T) {
	t.Parallel()
	for name, near := range map[string]bool{"of the same process": true, "of another process": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			replica := redistest.StartReplica(t, s.Server)
			process := func() *redis.Backing { return redis.New(client(t, s.Addr()), redis.RequireAcks(1, ackBound)) }
			b := process()
			holder := contend(t, b, key, mutex.Config{TTL: long})
			holder.enters(t, patience)
			if !near {
				b = process()
			}
			waiter := contend(t, b, key, mutex.Config{TTL: long})
			waiter.waits(t)
			replica.Freeze()
			close(holder.leave)
			for began := time.Now(); time.Since(began) < bound; time.Sleep(look) {
				assertOutside(t, waiter)
				if t.Failed() {
					break
				}
			}
			replica.Thaw()
			require.NoError(t, holder.gone(t, patience))
			waiter.enters(t, bound+little)
			assert.Greater(t, waiter.token, holder.token)
			waiter.letsGo(t)
		})
	}
}
