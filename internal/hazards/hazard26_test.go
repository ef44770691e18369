package hazards_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// The waiters of a process pass the lock from one to the next, which is one
// request, and only the first of them stands in the queue of the server.
//
// It is not parallel, because it counts all goroutines.
func TestHazard26_ThousandsOfWaitersCostOneRequestEach(t *testing.T) {
	for _, n := range []int{100, 10_000} {
		others := goleak.IgnoreCurrent()
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			s := newStore(t)
			holder := contend(t, s.process(t), key, mutex.Config{TTL: long})
			holder.enters(t, patience)
			goroutines, connections := runtime.NumGoroutine(), s.clients(t, "normal")

			var told events
			m, err := mutex.New(s.process(t), key, mutex.Config{TTL: long, Observer: told.observe})
			require.NoError(t, err)
			var running sync.WaitGroup
			t.Cleanup(running.Wait) // if the test fails before
			inside := 0
			for range n {
				running.Go(func() {
					_, err := mutex.WithLock(m, func(context.Context) (effect.Void, error) {
						inside++
						return effect.Void{}, nil
					})(t.Context())
					assert.NoError(t, err)
				})
			}
			eventually(t, func() bool { return told.seen(mutex.Waiting) == n && s.queued(t) == 1 }, "%d wait", n)
			assert.Equal(t, 1, s.clients(t, "pubsub"))
			assert.LessOrEqual(t, s.clients(t, "normal")-connections, 2)
			assert.LessOrEqual(t, runtime.NumGoroutine()-goroutines, n+20)

			heard := s.listenIn(t)
			holder.letsGo(t)
			running.Wait()
			assert.Equal(t, n, inside)
			eventually(t, func() bool { return heard.count("evalsha", "") >= n }, "MONITOR tells of all")
			assert.LessOrEqual(t, len(heard.byClients()), n+n/20+5)
			s.assertFree(t)
		})
		goleak.VerifyNone(t, others)
	}
}
