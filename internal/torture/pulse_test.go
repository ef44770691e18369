package torture_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// pulse pings the server all the time, bypassing the proxies: it may be slow without any
// fault of the run, because a disk or the machine is too busy.
type pulse struct {
	stop context.CancelFunc
	over sync.WaitGroup

	mu    sync.Mutex
	trips []span // the slow or failed ones
}

func feelPulse(t *testing.T, addr string) *pulse {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	p := &pulse{stop: stop}
	client := goredis.NewClient(&goredis.Options{Addr: addr, MaxRetries: -1, DialerRetries: 1})
	p.over.Go(func() {
		defer client.Close()
		for ctx.Err() == nil {
			trip := span{From: now()}
			err := client.Ping(ctx).Err()
			trip.Until = now()
			if ctx.Err() == nil && (err != nil || trip.length() > pauseNoticed) {
				p.mu.Lock()
				p.trips = append(p.trips, trip)
				p.mu.Unlock()
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	t.Cleanup(p.end)
	return p
}

func (p *pulse) end() {
	p.stop()
	p.over.Wait()
}

// slow returns when the server has been slow so far.
func (p *pulse) slow() spans {
	p.mu.Lock()
	defer p.mu.Unlock()
	return union(append([]span(nil), p.trips...))
}

// losses loses one in so many notifications, and counts them.
type losses struct {
	mu     sync.Mutex
	random *rand.Rand
	oneIn  int
	n      int
}

func (l *losses) lose() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	lose := l.random.IntN(l.oneIn) == 0
	if lose {
		l.n++
	}
	return lose
}

func (r *round) loseNotifications(place int) { r.proxies[place].DropNotifications(r.lost.lose) }
