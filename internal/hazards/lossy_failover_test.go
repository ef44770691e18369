package hazards_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// lag is a way in which a replica lags behind when its primary dies.
type lagging struct {
	name  string
	early bool // the holders have been inside since before the lag
	begin func(link *redistest.Proxy, replica *redistest.Server)
}

var laggings = []lagging{
	{"cut off", false, func(link *redistest.Proxy, _ *redistest.Server) {
		link.Cut()
		time.Sleep(rand.N(600 * time.Millisecond))
	}},
	{"slow", false, func(link *redistest.Proxy, _ *redistest.Server) {
		link.Delay(rand.N(500 * time.Millisecond))
		time.Sleep(rand.N(600 * time.Millisecond))
	}},
	{"frozen", false, func(_ *redistest.Proxy, replica *redistest.Server) {
		replica.Freeze()
		time.Sleep(rand.N(600 * time.Millisecond))
	}},
	// Meanwhile the lease is refreshed, but for the replica it has run out.
	{"cut off for longer than a lease", true, func(link *redistest.Proxy, _ *redistest.Server) {
		link.Cut()
		time.Sleep(lease + rand.N(500*time.Millisecond))
	}},
}

// loseData runs lossy failovers, several at a time, one of each kind or 100 in all, and returns how
// many of them made two hold the lock.
func loseData(t *testing.T, options ...redis.Option) (doubles map[string]int) {
	t.Helper()
	redistest.Require(t)
	failovers := len(laggings)
	if full(t) {
		failovers = 100
	}
	var mu sync.Mutex
	doubles = map[string]int{}
	t.Run("failovers", func(t *testing.T) {
		for i := range failovers {
			kind := laggings[i%len(laggings)]
			t.Run(fmt.Sprint(kind.name, " ", i), func(t *testing.T) {
				t.Parallel()
				if kind.loseData(t, options...) {
					mu.Lock()
					defer mu.Unlock()
					doubles[kind.name]++
				}
			})
		}
	})
	t.Logf("of %d failovers: %v", failovers, doubles)
	return doubles
}

// loseData is one failover: three processes take turns, the primary dies while its replica lags
// behind, and the replica takes over. It has a replica itself, so that its writes can be
// acknowledged. loseData reports whether two have held the lock.
func (l lagging) loseData(t *testing.T, options ...redis.Option) bool {
	primary := newStore(t)
	primary.expectsTwo()
	name := redistest.NewProxy(t, primary.Addr())
	replica, link := redistest.StartDistantReplica(t, primary.Server)
	redistest.StartReplica(t, replica)
	stays, over := make(chan struct{}), make(chan struct{})
	first := make(chan struct{}, 100)
	ctx, stop := context.WithCancel(t.Context())
	var contending sync.WaitGroup
	for range 3 {
		b := redis.New(primary.client(goredis.Options{Addr: name.Addr()}), options...)
		m := newMutex(t, b, primary.key, mutex.Config{TTL: lease, RefreshInterval: lease / 2})
		contending.Go(func() {
			for ctx.Err() == nil {
				_, _ = mutex.WithLock(m, func(ctx context.Context) (effect.Void, error) {
					defer primary.enter(ctx)()
					select {
					case first <- struct{}{}:
					default:
					}
					select {
					case <-time.After(rand.N(60 * time.Millisecond)):
						return effect.Void{}, nil
					case <-stays:
					}
					select {
					case <-over:
					case <-ctx.Done():
					}
					return effect.Void{}, ctx.Err()
				})(ctx) // a failure or a loss is expected
				_, _ = effect.Sleep(rand.N(100 * time.Millisecond))(ctx)
			}
		})
	}
	defer contending.Wait()
	defer stop()
	for range 3 {
		receive(t, first, "all is well at first")
	}
	if l.early {
		close(stays)
		time.Sleep(short) // for somebody to be inside
	}
	l.begin(link, replica)
	if !l.early {
		close(stays)
	}
	primary.Kill()
	replica.Thaw()
	replica.Promote()
	name.Move(replica.Addr())
	// Either two have the lock, or all leases that the new primary may know of end.
	for began := time.Now(); time.Since(began) < lease+time.Second && primary.doubled() == 0; {
		time.Sleep(look)
	}
	close(over)
	return primary.doubled() > 0
}

// A grant that a primary has not replicated is made again when it dies. Package redis documents
// this, and it proves that the test of the option that prevents it tests something.
func TestHazard33_LossyFailoversMakeTwoHoldALock(t *testing.T) {
	t.Parallel()
	if !full(t) {
		t.Skip("a few failovers need not include a double grant: see AFailoverBeforeReplicationGrantsTwice")
	}
	assert.NotEmpty(t, loseData(t))
}

func TestHazard33_WithAcknowledgementsLossyFailoversNeverMakeTwoHoldALock(t *testing.T) {
	t.Parallel()
	assert.Empty(t, loseData(t, redis.RequireAcks(1, ackBound)))
}
