package hazards_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// hog has all connections of a client for so long.
type hog struct {
	name string
	eats func(ctx context.Context, c *goredis.Client, d time.Duration)
}

var hogs = []hog{
	{"a list that stays empty", func(ctx context.Context, c *goredis.Client, d time.Duration) {
		c.BLPop(ctx, d, "nothing")
	}},
	{"a transaction that takes long", func(ctx context.Context, c *goredis.Client, d time.Duration) {
		_ = c.Watch(ctx, func(*goredis.Tx) error { time.Sleep(d); return nil }, "something")
	}},
}

// The user's commands end before the lease does: the refresh then finds a
// connection, be it that the pool has given up waiting for one several times.
func TestHazard16_APoolThatIsExhaustedForLessThanTheLeaseCostsNoLock(t *testing.T) {
	t.Parallel()
	for _, h := range hogs {
		for size := 1; size <= 2; size++ {
			for _, wait := range []time.Duration{50 * time.Millisecond, 0} {
				t.Run(fmt.Sprintf("%s, %d connections, %v", h.name, size, wait), func(t *testing.T) {
					t.Parallel()
					s := newStore(t)
					client := small(t, s, size, wait)
					b := newTries(redis.New(client))
					a := contend(t, b, key, mutex.Config{TTL: 10 * time.Second, RefreshInterval: 500 * time.Millisecond})
					a.enters(t, patience)

					over := s.exhaust(t, client, size, h, 2*time.Second)
					before := len(b.begun())
					<-over
					assert.Greater(t, len(b.begun()), before, "no refresh was due meanwhile")
					b.awaitSuccess(t)
					assert.Zero(t, a.seen(mutex.Lost))
					a.letsGo(t)
					s.assertFree(t)
				})
			}
		}
	}
}

// They do not: the work is cancelled in time for the next holder, who has a
// connection.
func TestHazard16_APoolThatIsExhaustedForLongerThanTheLeaseCostsTheLockOnTime(t *testing.T) {
	t.Parallel()
	const ttl = 4 * time.Second
	for _, h := range hogs {
		for size := 1; size <= 2; size++ {
			for _, wait := range []time.Duration{50 * time.Millisecond, 0} {
				t.Run(fmt.Sprintf("%s, %d connections, %v", h.name, size, wait), func(t *testing.T) {
					t.Parallel()
					s := newStore(t)
					client := small(t, s, size, wait)
					var ended time.Time
					m, err := mutex.New(redis.New(client), key, mutex.Config{TTL: ttl, RefreshInterval: ttl / 4})
					require.NoError(t, err)
					inside, failed := make(chan struct{}), make(chan error, 1)
					go func() {
						_, err := mutex.WithLock(m, func(ctx context.Context) (none struct{}, err error) {
							close(inside)
							for began := time.Now(); ctx.Err() == nil; began = time.Now() {
								ended = began
								time.Sleep(look)
							}
							return none, ctx.Err()
						})(context.Background())
						failed <- err
					}()
					<-inside
					over := s.exhaust(t, client, size, h, ttl*3/2)
					b := contend(t, s.process(t), key, mutex.Config{TTL: long})
					b.enters(t, patience)

					<-over
					lost := lossOf(t, <-failed)
					assert.Negative(t, ended.Sub(b.since), "the work ran on when another had the lock")
					assert.Equal(t, mutex.Expired, lost.Reason)
					assert.Error(t, lost.Cause, "it does not say why")
					s.assertOf(t, b)
					b.letsGo(t)
					s.assertFree(t)
				})
			}
		}
	}
}

// small is a client with few connections; 0 waits for one as long as go-redis does
// by default, which is longer than a refresh may take.
func small(t *testing.T, s store, size int, wait time.Duration) *goredis.Client {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{Addr: s.Addr(), PoolSize: size, PoolTimeout: wait, MaxRetries: -1})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// exhaust returns when all connections of the client are taken. They are given
// back when over is closed.
func (s store) exhaust(t *testing.T, client *goredis.Client, size int, h hog, d time.Duration) (over <-chan struct{}) {
	t.Helper()
	done := make(chan struct{})
	left := make(chan struct{}, size)
	ctx, cancel := context.WithCancel(context.Background())
	for range size {
		go func() {
			h.eats(ctx, client, d)
			left <- struct{}{}
		}()
	}
	go func() {
		defer close(done)
		for range size {
			<-left
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	eventually(t, func() bool {
		stats := client.PoolStats()
		return stats.TotalConns == uint32(size) && stats.IdleConns == 0 //nolint:gosec // one or two
	}, "all connections are in use")
	return done
}
