package hazards_test

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
	"github.com/effectlock/effectlock/schedule"
)

const (
	// request is how long the mutex waits for a request, with the default TTL.
	request = 2 * time.Second

	// wakeUps is how many goroutines wake one another from a deadline to the end of its call.
	// Each may be as late as a plain timer.
	wakeUps = 4
)

// overrun is how long a call may outlast its deadline on a machine that is on time: the
// promise is 0.2 s, and unbounded requests would take 5 s more.
func overrun(t *testing.T) time.Duration {
	t.Helper()
	if full(t) {
		return 200 * time.Millisecond
	}
	return time.Second
}

// clients have timeouts such that most settings of any two of them meet in one client.
var clients = map[string]goredis.Options{
	"defaults":     {},
	"context":      {DialTimeout: 200 * time.Millisecond, PoolTimeout: 100 * time.Millisecond, MaxRetries: -1, PoolSize: 1, ContextTimeoutEnabled: true},
	"short":        {ReadTimeout: 100 * time.Millisecond, WriteTimeout: 100 * time.Millisecond, PoolTimeout: 100 * time.Millisecond},
	"forever":      {ReadTimeout: -1, WriteTimeout: 100 * time.Millisecond, DialTimeout: 200 * time.Millisecond},
	"forever, one": {ReadTimeout: -1, PoolSize: 1, ContextTimeoutEnabled: true},
	"once":         {ReadTimeout: -1, MaxRetries: -1, DialerRetries: 1},
}

// caller makes calls through many clients of one address, mostly at the same time.
type caller struct {
	t    *testing.T
	addr string
	all  map[string]*redis.Backing
}

// newCaller makes the clients, also with two options of package redis, and one from a URL if the
// server answers: then all are connected.
func newCaller(t *testing.T, addr string, answers bool) caller {
	t.Helper()
	c := caller{t, addr, map[string]*redis.Backing{}}
	for name, o := range clients {
		c.add(name, o)
	}
	c.add("acknowledged", goredis.Options{}, redis.RequireAcks(1, 50*time.Millisecond))
	c.add("polling", goredis.Options{}, redis.WithoutPush())
	if answers {
		c.all["of a URL"] = fromURL(t, "redis://"+addr)
		for _, b := range c.all {
			eventually(t, func() bool { _, err := b.IsLocked(t.Context(), "anything"); return err == nil }, "it is connected")
		}
	}
	return c
}

func (c caller) add(name string, o goredis.Options, opts ...redis.Option) {
	o.Addr = c.addr
	client := goredis.NewClient(&o)
	b := redis.New(client, opts...)
	c.all[name] = b
	c.t.Cleanup(func() {
		assert.NoError(c.t, b.Close())
		assert.NoError(c.t, client.Close())
	})
}

// call is one way to ask, under a deadline or, without one, under a policy that stops.
type call struct {
	client, way string
	key         string
	deadline    time.Duration
	err         error
	took        time.Duration
	ran         bool // the work ran: the lock was acquired, and its release has its own time
}

// make makes the call.
func (c *call) make(m *mutex.Mutex) {
	ctx := context.Background()
	if c.deadline > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.deadline)
		defer cancel()
	}
	began := time.Now()
	_, c.err = operations(func(context.Context) (none effect.Void, err error) {
		c.ran = true
		return none, nil
	})[c.way](m)(ctx)
	c.took = time.Since(began)
}

// calls makes all calls, and asserts that each ends in time on a machine that is as late as the
// plain timers beside them.
func (c caller) calls(key string, ways []string, deadlines ...time.Duration) (made []call) {
	c.t.Helper()
	var mu sync.Mutex
	var late time.Duration
	var running sync.WaitGroup
	for client, b := range c.all {
		for _, way := range ways {
			for _, deadline := range deadlines {
				one := call{client: client, way: way, deadline: deadline, key: fmt.Sprint(key, client, way, deadline)}
				var config mutex.Config
				if deadline == 0 {
					config.BackingFailureRetryPolicy = schedule.Stop()
				}
				m := newMutex(c.t, b, one.key, config)
				running.Go(func() {
					one.make(m)
					mu.Lock()
					defer mu.Unlock()
					made = append(made, one)
				})
				running.Go(func() {
					began := time.Now()
					time.Sleep(deadline)
					time.Sleep(100 * time.Millisecond)
					mu.Lock()
					defer mu.Unlock()
					late = max(late, time.Since(began)-deadline-100*time.Millisecond)
				})
				time.Sleep(2 * time.Millisecond) // so that the machine is not busy with starting them
			}
		}
	}
	running.Wait()
	for _, one := range made {
		limit := one.deadline
		if limit == 0 {
			limit = request
		}
		if one.ran {
			continue
		}
		said := fmt.Sprintf("%s through %q, deadline %v, took %v, the machine late by %v: %v", one.way, one.client, one.deadline, one.took, late, one.err)
		assert.LessOrEqual(c.t, one.took-limit, overrun(c.t)+wakeUps*late, said)
		if one.deadline > 0 && one.err != nil {
			assert.ErrorIs(c.t, one.err, context.DeadlineExceeded, said)
		}
	}
	return made
}

var everyWay = []string{"WithLock", "WithLockIfAvailable", "Acquire", "TryAcquire", "IsLocked", "Holder"}

// Nothing listens, so no request can have arrived: a caller keeps the rest of its time, and
// there is nothing to clean up. A client that dials once fails at once, if its policy stops.
func TestHazard61_ACallersDeadlineIsKeptThoughTheServerRefuses(t *testing.T) {
	t.Parallel()
	for name, answered := range map[string]bool{"from the start": false, "after it has answered": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Cleanup(func() { eventually(t, func() bool { return !isDialling() }, "closed clients stop dialling") })
			s := newStore(t)
			if answered {
				s.train()
			}
			callers := newCaller(t, s.Addr(), answered)
			s.Kill()
			made := callers.calls(s.key, []string{"Acquire", "WithLockIfAvailable", "IsLocked"}, 25*time.Millisecond, request, 0)
			for _, c := range made {
				require.Error(t, c.err)
				if c.client == "once" && c.deadline == 0 && !answered {
					assert.ErrorContains(t, c.err, "connection refused")
					assert.Less(t, c.took, request)
				}
			}
		})
	}
}

func TestHazard62_ACallersDeadlineIsKeptWhateverTheServerDoes(t *testing.T) {
	t.Parallel()
	each(t, []fault{frozen, cut, muted, slow}, func(t *testing.T, silence fault) {
		f := newStore(t).at(goredis.Options{})
		callers := newCaller(t, f.network.Addr(), true)
		mend := silence.begin(f)
		made := callers.calls(f.key, everyWay, 25*time.Millisecond, request, 0)
		mend()
		for client, b := range callers.all {
			_, err := mutex.AwaitCleanup(b)(t.Context())
			require.NoError(t, err, client)
		}
		for _, c := range made {
			if c.ran && c.err != nil { // its release had its own time, and one try
				f.deletes(c.key)
			}
		}
		f.isFree() // free now, not when the leases have ended
	})
}

// A server that accepts connections and never says anything.
func TestHazard62_ACallersDeadlineIsKeptInABlackHole(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	made := newCaller(t, l.Addr().String(), false).calls("k", everyWay, 25*time.Millisecond, request, 0)
	assert.False(t, slices.ContainsFunc(made, func(c call) bool { return c.err == nil }))
}

// isDialling reports whether go-redis is still looking for a server: it checks once a second
// whether its client is closed.
func isDialling() bool {
	stacks := make([]byte, 1<<22)
	return strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "tryDial")
}
