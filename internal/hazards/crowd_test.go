package hazards_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
)

// The waiters of a process pass the lock from one to the next with one request, and only
// the first of them is in the server's queue. The full test has 10,000.
//
// It is not parallel, because it counts all goroutines.
func TestHazard26_ThousandsOfWaitersCostOneRequestEach(t *testing.T) {
	crowds := []int{100, 1000}
	if full(t) {
		crowds = append(crowds, 10_000)
	}
	for _, n := range crowds {
		others := goleak.IgnoreCurrent()
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			s := newStore(t)
			holder := s.hold(s.process())
			goroutines, connections := runtime.NumGoroutine(), s.clients("normal")
			var told events
			m := newMutex(t, s.process(), s.key, mutex.Config{TTL: long, Observer: mutex.Observe(told.observe)})
			var running sync.WaitGroup
			t.Cleanup(running.Wait) // in case the test fails
			inside := 0
			for range n {
				running.Go(func() {
					_, err := mutex.WithLock(m, func(ctx context.Context) (effect.Void, error) {
						defer s.enter(ctx)()
						inside++
						return effect.Void{}, nil
					})(t.Context())
					assert.NoError(t, err)
				})
			}
			eventually(t, func() bool { return told.seen(mutex.Waiting) == n && s.queued(s.key) == 1 }, "%d wait", n)
			assert.Equal(t, 1, s.clients("pubsub"))
			assert.LessOrEqual(t, s.clients("normal")-connections, 2)
			assert.LessOrEqual(t, runtime.NumGoroutine()-goroutines, n+20)
			asked := s.scripts()
			holder.letsGo()
			running.Wait()
			assert.Equal(t, n, inside)
			assert.LessOrEqual(t, s.scripts()-asked, n+n/20+5)
			s.assertFree()
		})
		goleak.VerifyNone(t, others)
	}
}

// A waiter is cancelled while the lock is on its way to it, within a process or between processes,
// where messages take longer: the waiter behind it gets the lock.
func TestHazard27_ALockThatIsHandedToAWaiterThatLeavesGoesOn(t *testing.T) {
	t.Parallel()
	for name, far := range map[string]bool{"in one process": false, "between processes": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := sharedStore(t)
			first := s.process()
			second, third := first, first
			if far {
				var network *redistest.Proxy
				network, second = s.listener()
				network.Delay(time.Millisecond)
				third = s.process()
			}
			rounds := 50
			if full(t) {
				rounds = 200
			}
			for range rounds {
				holder := s.hold(first)
				leaver := s.wait(second)
				next := s.wait(third)
				time.AfterFunc(rand.N(2*time.Millisecond), leaver.cancel)
				time.AfterFunc(rand.N(2*time.Millisecond), func() { close(holder.leave) })
				next.enters()
				assert.NoError(t, holder.gone())
				assert.ErrorIs(t, leaver.gone(), context.Canceled)
				next.letsGo()
			}
			s.assertFree()
		})
	}
}
