package pipeline

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// A load balancer forgets connections that were idle for minutes, and tells neither end.
// go-redis finds out by a read timeout, 5 s by default, and then takes the next idle
// connection, which is as dead: ten of them would cost more time than a lease has. So when
// a command has had no reply for a while, all idle connections are checked at once, and
// those that do not answer are closed. What is sent next finds one that works, or dials.

const (
	// silentFor is how long a command may be without a reply before idle connections are
	// checked; or half the client's read timeout, if that is less.
	silentFor = time.Second
	// checkFor is how long a connection has to answer. A server that is that slow loses its
	// idle connections, which is cheap; all of them are held for as long.
	checkFor = 250 * time.Millisecond
)

// idleCheck closes dead connections of a client, one check at a time.
type idleCheck struct{ running atomic.Bool }

// WatchIdle checks the idle connections of client if what it sends takes long. The caller
// calls stop when it has a reply.
func WatchIdle(client *goredis.Client) (stop func() bool) {
	return time.AfterFunc(checkAfter(client), func() { new(idleCheck).begin(client) }).Stop
}

// checkAfter is how long a command may be without a reply; client may be nil.
func checkAfter(client *goredis.Client) time.Duration {
	if client == nil {
		return silentFor
	}
	if timeout := client.Options().ReadTimeout; timeout > 0 {
		return min(silentFor, timeout/2)
	}
	return silentFor
}

// begin checks the connections of client, which may be nil, in the background.
func (i *idleCheck) begin(client *goredis.Client) {
	if client == nil || !i.running.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer i.running.Store(false)
		closeDead(client)
	}()
}

func closeDead(client *goredis.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), checkFor)
	defer cancel()
	quick := client.WithTimeout(checkFor) // on the same connections
	o := quick.Options()
	o.MaxRetries, o.ContextTimeoutEnabled = 0, true
	var asking, checks sync.WaitGroup
	stats := client.PoolStats()
	asking.Add(int(stats.IdleConns))
	for range stats.IdleConns {
		conn := quick.Conn()
		checks.Go(func() {
			defer conn.Close()
			_ = ping(ctx, conn)
			asking.Done()
			asking.Wait() // else a connection that works would be asked in place of the others
		})
	}
	if stats.PipelineStats != nil { // those of batches cannot be held
		for range stats.PipelineStats.IdleConns {
			pipe := quick.Pipeline()
			checks.Go(func() {
				_ = ping(ctx, pipe)
				_ = execute(ctx, pipe)
			})
		}
	}
	checks.Wait()
}

// ping asks for a sign of life, and any reply is one.
func ping(ctx context.Context, c goredis.Cmdable) (err error) {
	defer recovered(&err)
	return c.Ping(ctx).Err()
}

func execute(ctx context.Context, pipe goredis.Pipeliner) (err error) {
	defer recovered(&err)
	_, err = pipe.Exec(ctx)
	return err
}
