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
)

// A group is a primary and its replica that change places in good order. What was
// written is not lost, and the old primary lives on, with its connections.
type group struct {
	process  func(t *testing.T) *redis.Backing // what another process would have
	primary  func() *redistest.Server
	failOver func()
}

func newPair(t *testing.T) group {
	t.Helper()
	p := redistest.StartPair(t)
	return group{
		process:  func(t *testing.T) *redis.Backing { t.Helper(); return redis.New(p.Client(t)) },
		primary:  func() *redistest.Server { return p.Primary },
		failOver: p.Failover,
	}
}

func newShard(t *testing.T) group {
	t.Helper()
	s := redistest.StartShard(t)
	return group{
		process:  func(t *testing.T) *redis.Backing { t.Helper(); return redis.New(s.Client(t)) },
		primary:  func() *redistest.Server { return s.Primary },
		failOver: s.Failover,
	}
}

// channels is how many channels have a subscriber on the primary.
func (g group) channels(t *testing.T) int {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{Addr: g.primary().Addr()})
	defer c.Close()
	plain, err := c.PubSubChannels(t.Context(), "*").Result()
	require.NoError(t, err)
	sharded, err := c.PubSubShardChannels(t.Context(), "*").Result()
	require.NoError(t, err)
	return len(plain) + len(sharded)
}

// holdAndWait has one process hold the lock and another wait for it, subscribed to
// the primary.
func (g group) holdAndWait(t *testing.T) (holder, waiter *contender) {
	t.Helper()
	config := mutex.Config{TTL: long}
	holder = contend(t, g.process(t), key, config)
	holder.enters(t, patience)
	before := g.channels(t)
	waiter = contend(t, g.process(t), key, config)
	waiter.waits(t)
	eventually(t, func() bool { return g.channels(t) > before }, "it is subscribed")
	return holder, waiter
}

// testExclusion fails over while one holds the lock and one waits for it. The lock is
// let go when a third process waits too, so that a message of the new primary can be
// about another grant than the one that the old one's subscriber takes it for.
func (g group) testExclusion(t *testing.T) {
	t.Helper()
	holder, waiter := g.holdAndWait(t)
	g.failOver()
	late := contend(t, g.process(t), key, mutex.Config{TTL: long})
	late.waits(t)
	assertOutside(t, waiter)
	holder.letsGo(t)
	serveAlone(t, holder.token, waiter, late)
}

// testSubscription fails over while one holds the lock and one waits for it, and
// asserts that the latter is soon told by the new primary.
func (g group) testSubscription(t *testing.T) {
	t.Helper()
	holder, waiter := g.holdAndWait(t)
	g.failOver()
	for began := time.Now(); g.channels(t) == 0; time.Sleep(look) {
		require.Less(t, time.Since(began), bound+little, "nobody is subscribed to the new primary")
	}
	assertOutside(t, waiter)
	holder.letsGo(t)
	waiter.enters(t, little)
	assert.Greater(t, waiter.token, holder.token)
	waiter.letsGo(t)
}

// serveAlone has each of those who wait hold the lock for a while when it has it, and
// asserts that the others do not have it meanwhile, and that tokens rise.
func serveAlone(t *testing.T, token uint64, all ...*contender) {
	t.Helper()
	for len(all) > 0 {
		var inside *contender
		eventually(t, func() bool {
			for i, who := range all {
				select {
				case <-who.inside:
					inside = who
					all = append(all[:i:i], all[i+1:]...)
					return true
				default:
				}
			}
			return false
		}, "one of %d has the lock", len(all))
		assert.Greater(t, inside.token, token)
		token = inside.token
		for began := time.Now(); time.Since(began) < bound; time.Sleep(look) {
			for _, other := range all {
				assertOutside(t, other)
			}
			if t.Failed() {
				return
			}
		}
		inside.letsGo(t)
	}
}
