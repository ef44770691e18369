package hazards_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
	"github.com/effectlock/effectlock/schedule"
)

// overrun is by how much a call may outlast its deadline, on a machine that is on time.
const overrun = 200 * time.Millisecond

// wakeUps is how many goroutines are woken, one by the other, from a deadline to the end of its
// call. Each may be as late as a plain timer.
const wakeUps = 4

// apart is the time between the calls, so that the machine is not busy with their beginnings.
const apart = 5 * time.Millisecond

// clients have timeouts such that any two settings of any two of them meet in one client.
var clients = map[string]goredis.Options{
	"defaults":     {},
	"context":      {ReadTimeout: 0, WriteTimeout: 0, DialTimeout: 200 * time.Millisecond, PoolTimeout: 100 * time.Millisecond, MaxRetries: -1, PoolSize: 1, ContextTimeoutEnabled: true},
	"short":        {ReadTimeout: 100 * time.Millisecond, WriteTimeout: 100 * time.Millisecond, PoolTimeout: 100 * time.Millisecond, ContextTimeoutEnabled: true},
	"short, one":   {ReadTimeout: 100 * time.Millisecond, DialTimeout: 200 * time.Millisecond, MaxRetries: -1, PoolSize: 1},
	"for ever":     {ReadTimeout: -1, WriteTimeout: 100 * time.Millisecond, DialTimeout: 200 * time.Millisecond, MaxRetries: -1},
	"for ever too": {ReadTimeout: -1, PoolTimeout: 100 * time.Millisecond, PoolSize: 1, ContextTimeoutEnabled: true},
	"writes":       {WriteTimeout: 100 * time.Millisecond, PoolSize: 1},
	"dials":        {DialTimeout: 200 * time.Millisecond, PoolTimeout: 100 * time.Millisecond},
	"dials too":    {WriteTimeout: 100 * time.Millisecond, DialTimeout: 200 * time.Millisecond, ContextTimeoutEnabled: true},
	"one try":      {PoolTimeout: 100 * time.Millisecond, MaxRetries: -1},
	"once":         {ReadTimeout: -1, WriteTimeout: 100 * time.Millisecond, PoolTimeout: 100 * time.Millisecond, MaxRetries: -1, DialerRetries: 1},
}

// asking are the ways to ask, and to wait.
var asking = map[string]func(m *mutex.Mutex, work effect.Effect[effect.Void]) effect.Effect[effect.Void]{
	"IsLocked": func(m *mutex.Mutex, _ effect.Effect[effect.Void]) effect.Effect[effect.Void] {
		return effect.As[bool](effect.Void{})(m.IsLocked)
	},
	"Holder": func(m *mutex.Mutex, _ effect.Effect[effect.Void]) effect.Effect[effect.Void] {
		return func(ctx context.Context) (effect.Void, error) {
			_, err := m.Holder(ctx)
			return effect.Void{}, err
		}
	},
}

var everyWay []string

func init() {
	maps.Copy(asking, acquiring)
	everyWay = slices.Collect(maps.Keys(asking))
}

// backings are those through clients, and some with options of this package. If the server
// answers, they have connections to it.
func backings(t *testing.T, addr string, answers bool) map[string]*redis.Backing {
	t.Helper()
	all := map[string]*redis.Backing{}
	for name, o := range clients {
		o.Addr = addr
		c := goredis.NewClient(&o)
		all[name] = closing(t, c)
		if answers {
			connect(t, all[name])
		}
		if o.PoolSize == 1 {
			go c.BLPop(context.Background(), 0, "a list that stays empty") // until the client is closed
		}
	}
	for name, opt := range map[string]redis.Option{"acknowledged": redis.RequireAcks(1, 50*time.Millisecond), "polling": redis.WithoutPush()} {
		all[name] = closing(t, goredis.NewClient(&goredis.Options{Addr: addr}), opt)
		if answers { // a replica does not
			_, _ = all[name].TryAcquire(t.Context(), backing.Claim{Key: "first", Holder: "a", TTL: long})
			_, _ = all[name].Release(t.Context(), "first", "a")
		}
	}
	return all
}

// closing is a backing that is closed with its client when the test ends.
func closing(t *testing.T, c *goredis.Client, opts ...redis.Option) *redis.Backing {
	t.Helper()
	b := redis.New(c, opts...)
	t.Cleanup(func() {
		assert.NoError(t, b.Close())
		assert.NoError(t, c.Close())
	})
	return b
}

// ofURL is a backing made by FromURL, which needs a server that answers at first.
func ofURL(t *testing.T, addr string) *redis.Backing {
	t.Helper()
	made, done := make(chan *redis.Backing, 1), make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		_, err := effect.Scoped(func(s *effect.Scope) effect.Effect[effect.Void] {
			return func(ctx context.Context) (none effect.Void, err error) {
				b, err := redis.FromURL("redis://" + addr)(s)(ctx)
				made <- b
				if err == nil {
					<-done
				}
				return none, err
			}
		})(context.Background())
		ended <- err
	}()
	b := <-made
	t.Cleanup(func() {
		close(done)
		assert.NoError(t, <-ended)
	})
	require.NotNil(t, b)
	return b
}

// A call is one way to ask, under one deadline; without one, under a policy that stops.
type call struct {
	client, way string
	deadline    time.Duration
	err         error
	took        time.Duration
	cleanups    int32 // requests of a clean-up that failed
	ran         bool  // the work: the lock was acquired, and its release has time of its own
}

func (c call) String() string {
	return fmt.Sprintf("%s through %q, deadline %v, took %v: %v", c.way, c.client, c.deadline, c.took, c.err)
}

// keepsDeadline checks that a call has ended in time, on a machine that was late. Without a
// deadline it has the time of one request, or what else its policy and client make of it.
func (c call) keepsDeadline(t *testing.T, otherwise, late time.Duration) {
	t.Helper()
	limit := c.deadline
	if limit == 0 {
		limit = otherwise
	}
	if c.ran {
		return
	}
	assert.LessOrEqual(t, c.took-limit, overrun+wakeUps*late, "%v; the machine was late by %v", c, late)
	if c.deadline > 0 && c.err != nil {
		assert.ErrorIs(t, c.err, context.DeadlineExceeded, "%v", c)
	}
}

// request is how long the mutex waits for one, with the default TTL.
const request = 2 * time.Second

// callAll makes all calls, most of the time of which passes together, and returns them with the
// lateness of the machine: that of a plain timer beside each.
func callAll(t *testing.T, all map[string]*redis.Backing, ways []string, deadlines ...time.Duration) (calls []call, late time.Duration) {
	t.Helper()
	var mu sync.Mutex
	var running sync.WaitGroup
	for client, b := range all {
		for _, way := range ways {
			for _, deadline := range deadlines {
				c := newCall(t, b, call{client: client, way: way, deadline: deadline})
				time.Sleep(apart)
				running.Go(func() {
					c := c()
					mu.Lock()
					defer mu.Unlock()
					calls = append(calls, c)
				})
				running.Go(func() {
					began := time.Now()
					time.Sleep(deadline)
					time.Sleep(overrun / 2)
					took := time.Since(began)
					mu.Lock()
					defer mu.Unlock()
					late = max(late, took-deadline-overrun/2)
				})
			}
		}
	}
	running.Wait()
	return calls, late
}

// newCall returns the function that makes the call.
func newCall(t *testing.T, b *redis.Backing, c call) func() call {
	t.Helper()
	var cleanups atomic.Int32
	config := mutex.Config{Observer: func(e mutex.Event) {
		if failed, ok := errors.AsType[*mutex.MutexBackingError](e.Err); ok && failed.Operation == "release" {
			cleanups.Add(1)
		}
	}}
	if c.deadline == 0 {
		config.BackingFailureRetryPolicy = schedule.Stop()
	}
	m := newMutex(t, b, fmt.Sprint(c.client, " ", c.way, " ", c.deadline), config)
	return func() call {
		ctx := context.Background()
		if c.deadline > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, c.deadline)
			defer cancel()
		}
		began := time.Now()
		_, c.err = asking[c.way](m, func(context.Context) (none effect.Void, err error) {
			c.ran = true
			return none, nil
		})(ctx)
		c.took, c.cleanups = time.Since(began), cleanups.Load()
		return c
	}
}
