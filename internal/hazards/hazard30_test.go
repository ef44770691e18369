package hazards_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
	"github.com/effectlock/effectlock/schedule"
)

// oblivion is a hook that has the server forget all scripts before each command or
// pipeline of a client.
type oblivion struct{ direct *goredis.Client }

func (o oblivion) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (o oblivion) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		o.direct.ScriptFlush(context.WithoutCancel(ctx))
		return next(ctx, cmd)
	}
}

func (o oblivion) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error {
		o.direct.ScriptFlush(context.WithoutCancel(ctx))
		return next(ctx, cmds)
	}
}

// oblivious is a process whose server knows no script when it is asked for one.
func (s store) oblivious(t *testing.T) *redis.Backing {
	t.Helper()
	c := client(t, s.Addr())
	c.AddHook(oblivion{s.direct})
	return redis.New(c)
}

// Each request finds a server that does not know its script: to get locks, refresh
// them together and one by one, wait, hand on and let go.
func TestHazard30_AServerThatForgetsItsScriptsBeforeEachRequestIsNotNoticed(t *testing.T) {
	t.Parallel()
	const many = 50
	s := newStore(t)
	b := s.oblivious(t)
	g := newGauge(b, b)
	c := mutex.Config{TTL: long, RefreshInterval: 300 * time.Millisecond}
	all := crowd(t, g, many, c)
	holder := contend(t, g, key, c)
	holder.enters(t, patience)
	inside := contend(t, g, key, c)
	inside.waits(t)
	outside := contend(t, s.oblivious(t), key, c)
	s.awaitQueue(t, 1)
	for range 3 {
		refreshes, _ := g.counted()
		g.inFlight(t, 2)
		eventually(t, func() bool { now, _ := g.counted(); return now >= refreshes+many }, "all are refreshed")
	}
	for _, who := range []*contender{holder, inside, outside} {
		who.enters(t, patience)
		who.letsGo(t)
	}
	alone := newTries(s.oblivious(t))
	last := contend(t, alone, key, c)
	last.enters(t, patience)
	alone.awaitSuccess(t)
	last.letsGo(t)
	all = append(all, holder, inside, outside, last)
	for _, who := range all[:many] {
		who.letsGo(t)
	}
	for _, who := range all {
		assert.Zero(t, who.seen(mutex.BackingFailed), "%v", who.lastError(mutex.BackingFailed))
		assert.Zero(t, who.seen(mutex.Polling), "%v", who.lastError(mutex.Polling))
	}
	assert.Greater(t, s.unknown(t), 3*2+many, "the server knew its scripts, so this test tests nothing")
	s.assertFree(t)
}

// Scripts are forgotten at any moment, also between the two halves of a request.
func TestHazard30_ScriptsThatAreForgottenAllTheTimeLetNobodyInBesideAHolder(t *testing.T) {
	t.Parallel()
	const (
		processes = 3
		workers   = 4
		rounds    = 60
	)
	s := newStore(t)
	stop := make(chan struct{})
	var forgetting, working sync.WaitGroup
	forgetting.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				s.direct.ScriptFlush(context.Background())
			}
		}
	})
	defer forgetting.Wait()
	defer close(stop)
	var inside, worked atomic.Int32
	var seen events
	for range processes {
		b := s.process(t)
		for range workers {
			m := newMutex(t, b, key, mutex.Config{TTL: long, BackingFailureRetryPolicy: schedule.Stop(), Observer: seen.observe})
			working.Go(func() {
				var err error
				for n := 0; n < rounds && err == nil; n++ {
					_, err = mutex.WithLock(m, func(context.Context) (effect.Void, error) {
						assert.EqualValues(t, 1, inside.Add(1), "two are inside")
						worked.Add(1)
						inside.Add(-1)
						return effect.Void{}, nil
					})(t.Context())
					assert.NoError(t, err)
				}
			})
		}
	}
	working.Wait()
	assert.EqualValues(t, processes*workers*rounds, worked.Load())
	assert.Zero(t, seen.seen(mutex.BackingFailed), "%v", seen.lastError(mutex.BackingFailed))
	assert.Zero(t, seen.seen(mutex.Lost))
	assert.Positive(t, s.unknown(t))
	s.assertFree(t)
}

// A server that was restarted has its keys, and no script.
func TestHazard30_ARestartWithTheDataCostsNobodyTheLock(t *testing.T) {
	t.Parallel()
	s := newStore(t, "--appendonly", "yes", "--appendfsync", "always")
	b := newTries(s.process(t))
	holder := contend(t, b, key, mutex.Config{TTL: 20 * time.Second, RefreshInterval: 500 * time.Millisecond})
	holder.enters(t, patience)
	var waiters []*contender
	for range 2 {
		waiters = append(waiters, contend(t, s.process(t), key, mutex.Config{TTL: long}))
		s.awaitQueue(t, int64(len(waiters)))
	}
	s.Restart()
	b.awaitSuccess(t)
	s.awaitListeners(t, 2)
	for _, who := range waiters {
		assertOutside(t, who)
	}
	holder.letsGo(t)
	serve(t, holder.token, waiters...)
	assert.Positive(t, s.unknown(t))
	s.assertFree(t)
}

// What one master of a Cluster has been told, the others have not.
func TestHazard30_EachMasterOfAClusterLearnsTheScriptsByItself(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	one, other := redis.New(cluster.Client(t)), redis.New(cluster.Client(t))
	met := map[*redistest.Server]bool{}
	for n := 0; len(met) < len(cluster.Servers); n++ {
		name := fmt.Sprint("k", n)
		owner := cluster.Owner(t, "dmutex:"+name)
		if met[owner] {
			continue
		}
		met[owner] = true
		s := store{owner, owner.Client(t)}
		holder := contend(t, one, name, mutex.Config{TTL: long})
		holder.enters(t, patience)
		waiter := contend(t, other, name, mutex.Config{TTL: long})
		waiter.waits(t)
		eventually(t, func() bool { return s.direct.ZCard(t.Context(), "dmutex:{dmutex:"+name+"}~queue").Val() == 1 }, "it is in the queue")
		for _, who := range []*contender{holder, waiter} {
			who.enters(t, little)
			who.letsGo(t)
			assert.Zero(t, who.seen(mutex.BackingFailed), "%v", who.lastError(mutex.BackingFailed))
		}
		assert.GreaterOrEqual(t, s.unknown(t), 2, "acquire, release")
	}
}

// unknown is how often the server has said that it does not know a script.
func (s store) unknown(t *testing.T) (n int) {
	t.Helper()
	stats, err := s.direct.InfoMap(t.Context(), "errorstats").Result()
	require.NoError(t, err)
	_, _ = fmt.Sscanf(strings.TrimSpace(stats["Errorstats"]["errorstat_NOSCRIPT"]), "count=%d", &n)
	return n
}
