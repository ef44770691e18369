package hazards_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// lossyFailovers is how many there are: enough for every kind to happen, or 100.
func lossyFailovers() int {
	if os.Getenv(fullVariable) != "" {
		return 100
	}
	return 16
}

// laggard is a primary that dies while its replica lags behind, and the replica, which
// takes over. That has a replica itself, so that its writes can be acknowledged.
type laggard struct {
	primary, replica *redistest.Server
	link             *redistest.Proxy // between the two
	name             *redistest.Proxy // the address of the primary
	config           mutex.Config

	lingers chan struct{} // closed when those who are inside are to stay
	over    chan struct{} // closed when they are to leave

	mu      sync.Mutex
	inside  map[context.Context]bool
	turns   int
	doubles int // how many entered while another had the lock, as far as that one knew
}

func newLaggard(t *testing.T, config mutex.Config) *laggard {
	t.Helper()
	primary := redistest.Start(t)
	l := &laggard{
		primary: primary, name: redistest.NewProxy(t, primary.Addr()), config: config,
		lingers: make(chan struct{}), over: make(chan struct{}), inside: map[context.Context]bool{},
	}
	l.replica, l.link = redistest.StartDistantReplica(t, primary)
	redistest.StartReplica(t, l.replica)
	return l
}

// contend has a process take turns at the lock until ctx ends.
func (l *laggard) contend(ctx context.Context, t *testing.T, options ...redis.Option) {
	t.Helper()
	m := newMutex(t, redis.New(client(t, l.name.Addr()), options...), key, l.config)
	for ctx.Err() == nil {
		_, _ = mutex.WithLock(m, l.stay)(ctx) // a failure, or a loss, is to be expected
		_, _ = effect.Sleep(rand.N(300 * time.Millisecond))(ctx)
	}
}

// stay is a turn. One of those who are inside has the lock for as long as its context
// says so: that one knows when its lease ends.
func (l *laggard) stay(ctx context.Context) (none effect.Void, err error) {
	l.mu.Lock()
	for other := range l.inside {
		if other.Err() == nil {
			l.doubles++
		}
	}
	l.inside[ctx] = true
	l.turns++
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.inside, ctx)
	}()
	if _, err := effect.Sleep(rand.N(60 * time.Millisecond))(ctx); err != nil {
		return none, err
	}
	select {
	case <-l.lingers:
	default:
		return none, nil
	}
	select {
	case <-l.over:
	case <-ctx.Done():
	}
	return none, ctx.Err()
}

// failOver kills the primary, whose replica then takes over, and waits until two have
// the lock, or all leases that the new primary may know have ended.
func (l *laggard) failOver(thaw bool) {
	select {
	case <-l.lingers:
	default:
		close(l.lingers)
	}
	l.primary.Kill()
	if thaw {
		l.replica.Thaw()
	}
	l.replica.Promote()
	l.name.Move(l.replica.Addr())
	for began := time.Now(); time.Since(began) < l.config.TTL+little/2 && !l.doubled(); {
		time.Sleep(look)
	}
	close(l.over)
}

// doubled reports whether two have held the lock.
func (l *laggard) doubled() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.doubles > 0
}

// lagging are the ways in which a replica lags behind when its primary dies.
var lagging = []struct {
	name   string
	config mutex.Config
	lag    func(l *laggard) (thaw bool)
}{
	{"cut off", mutex.Config{TTL: 3 * time.Second, RefreshInterval: 2900 * time.Millisecond}, func(l *laggard) bool {
		l.link.Cut()
		time.Sleep(rand.N(600 * time.Millisecond))
		return false
	}},
	{"slow", mutex.Config{TTL: 3 * time.Second, RefreshInterval: 2900 * time.Millisecond}, func(l *laggard) bool {
		l.link.Delay(rand.N(500 * time.Millisecond))
		time.Sleep(rand.N(600 * time.Millisecond))
		return false
	}},
	{"frozen", mutex.Config{TTL: 3 * time.Second, RefreshInterval: 2900 * time.Millisecond}, func(l *laggard) bool {
		l.replica.Freeze()
		time.Sleep(rand.N(600 * time.Millisecond))
		return true
	}},
	// Meanwhile the lease is refreshed, and has run out for the replica.
	{"cut off for longer than a lease", mutex.Config{TTL: 2 * time.Second, RefreshInterval: 1500 * time.Millisecond}, func(l *laggard) bool {
		close(l.lingers)
		time.Sleep(500 * time.Millisecond) // for somebody to be inside
		l.link.Cut()
		time.Sleep(2*time.Second + rand.N(500*time.Millisecond))
		return false
	}},
}

// loseData runs many lossy failovers, some at a time, and returns how many of them made
// two hold the lock.
func loseData(t *testing.T, options ...redis.Option) map[string]int {
	t.Helper()
	redistest.Require(t)
	var mu sync.Mutex
	doubles := map[string]int{}
	t.Run("failovers", func(t *testing.T) {
		for i := range lossyFailovers() {
			kind := lagging[i%len(lagging)]
			t.Run(fmt.Sprint(kind.name, " ", i), func(t *testing.T) {
				t.Parallel()
				l := newLaggard(t, kind.config)
				ctx, stop := context.WithCancel(t.Context())
				var contending sync.WaitGroup
				for range 3 {
					contending.Go(func() { l.contend(ctx, t, options...) })
				}
				defer contending.Wait()
				defer stop()
				eventually(t, func() bool {
					l.mu.Lock()
					defer l.mu.Unlock()
					return l.turns > 2
				}, "all is well at first")
				time.Sleep(rand.N(300 * time.Millisecond))
				l.failOver(kind.lag(l))
				if l.doubled() {
					mu.Lock()
					defer mu.Unlock()
					doubles[kind.name]++
				}
			})
		}
	})
	return doubles
}
