package hazards_test

import (
	"context"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// hog is a client whose connections are all in use by the user's own commands.
type hog struct {
	name string
	size int
	wait time.Duration // for a connection; 0: longer than a refresh may take
	eats func(c *goredis.Client, d time.Duration)
}

var hogs = []hog{
	{"a list that stays empty", 1, 0, emptyList},
	{"two lists that stay empty", 2, 50 * time.Millisecond, emptyList},
	{"transactions that take long", 2, 50 * time.Millisecond, func(c *goredis.Client, d time.Duration) {
		_ = c.Watch(context.Background(), func(*goredis.Tx) error { time.Sleep(d); return nil }, "something")
	}},
}

func emptyList(c *goredis.Client, d time.Duration) { c.BLPop(context.Background(), d, "nothing") }

// exhaust takes all connections of the client for d, and returns once they are taken; over waits for the end.
func (h hog) exhaust(t *testing.T, client *goredis.Client, d time.Duration) (over func()) {
	t.Helper()
	var eating sync.WaitGroup
	t.Cleanup(eating.Wait)
	for range h.size {
		eating.Go(func() { h.eats(client, d) })
	}
	eventually(t, func() bool {
		stats := client.PoolStats()
		return int(stats.TotalConns) == h.size && stats.IdleConns == 0
	}, "all connections are in use")
	return eating.Wait
}

// If the user's commands end before the lease does, the refresh then finds a connection, even if the
// pool has given up waiting for one several times. If they do not, the work is cancelled in time for
// the next holder, which has a connection.
func TestHazard16_APoolThatIsExhaustedCostsNoLockOrCostsItOnTime(t *testing.T) {
	t.Parallel()
	for _, h := range hogs {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			s := sharedStore(t)
			client := s.client(goredis.Options{PoolSize: h.size, PoolTimeout: h.wait, MaxRetries: -1})
			b := spyOn(t, redis.New(client))
			holder := s.hold(b, mutex.Config{TTL: 20 * time.Second, RefreshInterval: short})
			h.exhaust(t, client, time.Second)() // refreshes are due meanwhile
			b.refreshes()
			holder.letsGo()

			loser := s.hold(b, mutex.Config{TTL: lease, RefreshInterval: lease / 4})
			over := h.exhaust(t, client, 2*lease)
			next := s.rival()
			next.enters()
			over()
			loser.loses(mutex.Expired)
			assert.Error(t, loser.loss.Cause, "the loss does not say why")
			s.assertHolds(next)
			next.letsGo()
			s.assertFree()
		})
	}
}
