package soak_test

import (
	"context"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// pulse asks the server all the time, past the proxies: it may be slow without any
// fault of the run, because a disk or the machine has too much to do.
type pulse struct {
	stop context.CancelFunc
	over chan struct{}
	slow []span // round trips that took long, or failed; to be read when it is over
}

func feelPulse(addr string) *pulse {
	const much = 30 * time.Millisecond
	ctx, stop := context.WithCancel(context.Background())
	p := &pulse{stop: stop, over: make(chan struct{})}
	client := goredis.NewClient(&goredis.Options{Addr: addr, MaxRetries: -1, DialerRetries: 1})
	go func() {
		defer close(p.over)
		defer client.Close()
		for ctx.Err() == nil {
			began := clock()
			err := client.Ping(context.Background()).Err()
			trip := span{began, clock()}
			if err != nil || trip.until.since(began) > much {
				p.slow = append(p.slow, trip)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	return p
}

// end returns when the server was slow.
func (p *pulse) end() spans {
	p.stop()
	<-p.over
	return union(p.slow)
}
