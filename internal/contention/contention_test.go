package contention_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/internal/redistest"
)

// The trials do not run in parallel: eight processes are load enough, and a
// machine that stands still for longer than a lease is not what they test.

func TestEightProcessesCountWithoutLosingAnIncrement(t *testing.T) {
	server := redistest.Start(t)
	h := trial{processes: 8, increments: 2000, kills: 8, killedInside: 2, every: time.Second, lock: target{Addr: server.Addr()}}.run(t, server)
	assertExclusion(t, h)

	f := h.figures()
	troubled := len(h.reports) - f.acknowledged
	assert.LessOrEqual(t, troubled, f.acknowledged/100, "attempts failed, though nobody but the killed was disturbed")
	assert.Greater(t, f.handovers, f.acknowledged/20, "each process kept the lock to itself")
}

func TestEightProcessesCountWithoutPush(t *testing.T) {
	server := redistest.Start(t)
	h := trial{processes: 8, increments: 1000, kills: 4, killedInside: 1, every: time.Second, lock: target{Addr: server.Addr()}, poll: true}.run(t, server)
	assertExclusion(t, h)
}

func TestEightProcessesCountThoughOneNotificationInThreeIsLost(t *testing.T) {
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr())
	lost := loseOneInThree(t, proxy)
	h := trial{processes: 8, increments: 100, kills: 3, every: 4 * time.Second, lock: target{Addr: proxy.Addr()}}.run(t, server)
	assertExclusion(t, h)
	assert.NotZero(t, lost.Load(), "nothing was lost")
}

// loseOneInThree counts what it loses.
func loseOneInThree(t *testing.T, proxy *redistest.Proxy) *atomic.Int64 {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random, lost := rand.New(rand.NewPCG(seed, 0)), &atomic.Int64{}
	proxy.DropNotifications(func() bool { // one call at a time
		lose := random.IntN(3) == 0
		if lose {
			lost.Add(1)
		}
		return lose
	})
	return lost
}

func TestEightProcessesCountThroughABadNetworkWithoutLosingAnIncrement(t *testing.T) {
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr())
	seed := rand.Uint64()
	t.Logf("seed %d", seed)

	// Only the lock is behind the proxy. What a network may do to a write of
	// the counter that is not fenced is not the lock's doing.
	ctx, heal := context.WithCancel(t.Context())
	var breaking sync.WaitGroup
	breaking.Go(func() { breakRepeatedly(ctx, proxy, rand.New(rand.NewPCG(seed, 0))) })
	h := trial{processes: 8, increments: 300, kills: 5, killedInside: 1, every: time.Second, lock: target{Addr: proxy.Addr()}}.run(t, server)
	heal()
	breaking.Wait()

	assertExclusion(t, h)
	assert.NotZero(t, proxy.Dropped(), "no reply was lost: nothing was put to the test")
	t.Logf("%d replies lost", proxy.Dropped())
}

// breakRepeatedly loses replies, cuts off replies for a while, and resets
// connections, at random until ctx ends. No cut is as long as a lease, so a lock
// that keeps trying seldom loses one.
func breakRepeatedly(ctx context.Context, proxy *redistest.Proxy, random *rand.Rand) {
	for pause(ctx, time.Duration(10+random.IntN(50))*time.Millisecond) == nil {
		switch random.IntN(6) {
		case 0:
			proxy.Reset()
		case 1:
			proxy.CutReplies()
			_ = pause(ctx, time.Duration(10+random.IntN(300))*time.Millisecond)
			proxy.Heal()
		default:
			proxy.DropReplies(1+random.IntN(3), "evalsha")
		}
	}
	proxy.Heal()
}

func assertExclusion(t *testing.T, h history) {
	t.Helper()
	said := map[rule]int{}
	for _, v := range h.violations() {
		// The first ones tell what happened, and there may be hundreds.
		if said[v.rule]++; said[v.rule] <= 3 {
			assert.Fail(t, string(v.rule), v.detail)
		}
	}
	assert.Empty(t, said, "violations of each rule")
	// What the rules come to. Of each killed process, every goroutine may
	// have had an increment that was done and not yet reported.
	f := h.figures()
	assert.Zero(t, f.failed, "attempts failed for another reason than the store's")
	assert.GreaterOrEqual(t, f.final, f.acknowledged)
	failed := len(h.reports) - f.acknowledged
	assert.LessOrEqual(t, f.final-f.acknowledged, goroutines*f.kills+failed)
}
