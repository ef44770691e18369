package hazards_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// handovers counts the handovers after which the waiter had to poll.
type handovers struct {
	*redis.Backing
	all, polls atomic.Int64
}

func (h *handovers) Pass(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
	o, err := h.Backing.Pass(ctx, from, next, yield)
	h.all.Add(1)
	if _, polls := o.(backing.MustPoll); polls {
		h.polls.Add(1)
	}
	return o, err
}

func (h *handovers) Abilities() backing.Abilities {
	a := h.Backing.Abilities()
	a.Of, a.Passer = h, h
	return a
}

// A process that has never waited is not subscribed when it must first offer the lock to the
// waiters of other processes. It must not leave the lock free for them.
func TestHazard67_TheFirstBurstOfWaitersIsNotInterrupted(t *testing.T) {
	t.Parallel()
	store := &handovers{Backing: redis.New(redistest.Start(t).Client(t))}
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	var turns atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for range 16 {
		all.Go(func() {
			m, err := mutex.New(store, "k", mutex.Config{})
			if !assert.NoError(t, err) {
				return
			}
			for range 10 {
				_, err := mutex.WithLock(m, effect.Succeed(turns.Add(1)))(t.Context())
				assert.NoError(t, err)
			}
		})
	}
	all.Wait()
	t.Logf("%d turns in %v, %d handovers", turns.Load(), time.Since(began), store.all.Load())
	assert.Greater(t, store.all.Load(), int64(16), "the lock is handed over")
	assert.Zero(t, store.polls.Load(), "the lock was left free for polling waiters")
}
