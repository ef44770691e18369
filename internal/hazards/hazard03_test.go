package hazards_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// outages are the ways in which a request stays without an answer.
var outages = map[string]struct{ begin, end func(store, *redistest.Proxy) }{
	"the server is frozen": {
		func(s store, _ *redistest.Proxy) { s.Freeze() },
		func(s store, _ *redistest.Proxy) { s.Thaw() },
	},
	"the network is cut":    {func(_ store, p *redistest.Proxy) { p.Cut() }, heal},
	"replies are held back": {func(_ store, p *redistest.Proxy) { p.CutReplies() }, heal},
	"replies are delayed":   {func(_ store, p *redistest.Proxy) { p.Delay(2 * short) }, heal},
	"replies are lost":      {func(_ store, p *redistest.Proxy) { p.DropReplies(-1, "evalsha") }, heal},
}

func heal(_ store, p *redistest.Proxy) { p.Heal() }

// cleaning is how long a caller that leaves may be kept on a busy machine: the promise is
// 0.2 s, and what may have been granted is released in the background.
const cleaning = bound

const (
	// outlasts is by how much an outage outlasts the caller: the client gives up a
	// connection that is silent for 5 s, also that of the last release.
	outlasts = 6 * time.Second
	// undoing is how long it takes until what nobody was told of is undone: a try each
	// 0.5 s, 1 s, 2 s, … after the client gave up, and 5 s for each.
	undoing = 20 * time.Second
)

func TestHazard03_ACallerWhoLeavesDuringAnOutageLeavesNoLock(t *testing.T) {
	t.Parallel()
	for name, outage := range outages {
		for _, end := range []error{context.Canceled, context.DeadlineExceeded} {
			t.Run(fmt.Sprintf("%s, %v", name, end), func(t *testing.T) {
				t.Parallel()
				s := newTrainedStore(t)
				network := redistest.NewProxy(t, s.Addr())
				client, written := counting(t, network.Addr())
				b := redis.New(client)
				connect(t, b)

				outage.begin(s, network)
				before := written.Load()
				ctx, cancel := context.WithTimeout(t.Context(), short)
				if errors.Is(end, context.Canceled) {
					ctx, cancel = context.WithCancel(t.Context())
				}
				defer cancel()
				var callers sync.WaitGroup
				for way, acquire := range acquiring {
					m := newMutex(t, b, way, mutex.Config{TTL: long})
					callers.Go(func() {
						_, err := acquire(m, neverRuns(t))(ctx)
						assert.ErrorIs(t, err, end, way)
					})
				}
				eventually(t, func() bool { return written.Load() > before }, "a request is on its way")
				if errors.Is(end, context.Canceled) {
					cancel()
				}
				<-ctx.Done()
				left := time.Now()
				time.Sleep(short) // the outage goes on
				outage.end(s, network)
				callers.Wait()
				assert.Less(t, time.Since(left), cleaning)
				s.isFree(t, soon)
			})
		}
	}
}

func neverRuns(t *testing.T) effect.Effect[effect.Void] {
	t.Helper()
	return func(context.Context) (effect.Void, error) {
		assert.Fail(t, "the work runs")
		return effect.Void{}, nil
	}
}

// An outage that does not end does not keep the caller. What the server was sent before
// the clean-up is over is applied when the outage ends, and then undone.
func TestHazard03_ACallerWhoLeavesIsNotKeptByAnOutageThatGoesOn(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"the server is frozen", "the network is cut"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTrainedStore(t)
			network := redistest.NewProxy(t, s.Addr())
			// The release needs a connection of its own, and gets none.
			c := goredis.NewClient(&goredis.Options{Addr: network.Addr(), MaxIdleConns: 1})
			t.Cleanup(func() { _ = c.Close() })
			b := redis.New(c)
			connect(t, b)
			asked := s.scripts(t)
			outages[name].begin(s, network)
			defer outages[name].end(s, network)
			ctx, cancel := context.WithTimeout(t.Context(), short)
			defer cancel()
			began := time.Now()
			_, err := mutex.WithLock(newMutex(t, b, key, mutex.Config{TTL: long}), neverRuns(t))(ctx)
			assert.Less(t, time.Since(began), short+cleaning)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			_, err = mutex.AwaitCleanup(b)(t.Context())
			require.NoError(t, err)
			assert.Less(t, time.Since(began), short+effect.FinalizerTimeout+cleaning)

			time.Sleep(outlasts)
			outages[name].end(s, network)
			eventually(t, func() bool { return s.scripts(t) > asked }, "what was under way arrives")
			s.isFree(t, undoing)
		})
	}
}

// One who waits, and does not know yet that it is in the queue, leaves no place there.
func TestHazard03_AWaiterWhoLeavesDuringAnOutageLeavesNoPlace(t *testing.T) {
	t.Parallel()
	s := newTrainedStore(t)
	network, b := s.distant(t)
	elsewhere := contend(t, s.process(t), "elsewhere", mutex.Config{TTL: long})
	elsewhere.enters(t, patience)
	listener := contend(t, b, "elsewhere", mutex.Config{TTL: long})
	s.awaitListeners(t, 1)
	listener.waits(t)
	holder := contend(t, s.process(t), key, mutex.Config{TTL: long})
	holder.enters(t, patience)

	network.CutReplies()
	waiter := contend(t, b, key, mutex.Config{TTL: long})
	s.awaitQueue(t, 1)
	waiter.cancel()
	time.AfterFunc(short, network.Heal)
	assert.ErrorIs(t, waiter.gone(t, cleaning), context.Canceled)
	assert.Zero(t, waiter.seen(mutex.Acquired))
	eventually(t, func() bool { return s.queued(t) == 0 }, "it has no place")

	holder.letsGo(t)
	elsewhere.letsGo(t)
	listener.enters(t, soon)
	listener.letsGo(t)
	s.isFree(t, soon)
}

// Each answer takes a while, and the callers leave before, during and after that.
func TestHazard03_ACallerWhoLeavesAtAnyMomentLeavesNoLock(t *testing.T) {
	t.Parallel()
	const callers, late = 256, 20 * time.Millisecond
	s := newTrainedStore(t)
	network, b := s.distant(t)
	connect(t, b)
	network.Delay(late)

	var ran, left atomic.Int32
	var running sync.WaitGroup
	ways := slices.Sorted(maps.Keys(acquiring))
	for i := range callers {
		way := ways[i/2%len(ways)]
		m := newMutex(t, b, fmt.Sprint("k", i), mutex.Config{TTL: long})
		running.Go(func() {
			ctx, leave := context.WithTimeout(t.Context(), rand.N(5*late))
			if i%2 == 0 {
				ctx, leave = context.WithCancel(t.Context())
				time.AfterFunc(rand.N(5*late), leave)
			}
			defer leave()
			works := false
			_, err := acquiring[way](m, func(context.Context) (effect.Void, error) {
				works = true
				return effect.Void{}, nil
			})(ctx)
			if err == nil {
				ran.Add(1)
				assert.True(t, works, "%s: nobody has the lock, but the caller is told otherwise", way)
				return
			}
			left.Add(1)
			assert.ErrorIs(t, err, ctx.Err(), way)
		})
	}
	running.Wait()
	network.Heal()
	s.isFree(t, soon)
	assert.EqualValues(t, callers, ran.Load()+left.Load())
	assert.GreaterOrEqual(t, left.Load(), int32(callers/20), "too few for a trial")
}

func TestHazard03_AWaiterWhoLeavesBeforeItKnowsItsPlaceLeavesNoneInMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		holder := contend(t, m, key, mutex.Config{TTL: long})
		holder.enters(t, patience)
		waiter := contend(t, &forgetful{m, func(string) bool { return true }}, key, mutex.Config{TTL: long})
		time.Sleep(time.Second)
		waiter.cancel()
		assert.ErrorIs(t, waiter.gone(t, time.Millisecond), context.Canceled)
		next := contend(t, m, key, mutex.Config{TTL: long})
		synctest.Wait()

		holder.letsGo(t)
		next.enters(t, time.Millisecond)
		next.letsGo(t)
		locked, err := m.IsLocked(t.Context(), key)
		require.NoError(t, err)
		assert.False(t, locked)
	})
}
