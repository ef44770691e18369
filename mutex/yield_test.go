package mutex_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/mutex"
)

// yieldsBlindly is what a process sees of a store that others share. The store cannot
// wake the process at first: it frees the lock when that yields.
type yieldsBlindly struct {
	*memory.Backing
	blind bool
}

func (y *yieldsBlindly) Abilities() backing.Abilities {
	return backing.Abilities{Of: y, Queue: y, Passer: y, Releaser: y}
}

func (y *yieldsBlindly) Pass(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
	if !yield || !y.blind {
		return y.Backing.Pass(ctx, from, next, yield)
	}
	y.blind = false
	_, err := y.ReleaseClaim(ctx, from)
	return backing.MustPoll{}, err
}

// Where waiters poll, a lock is yielded seldom, because it must stay free for a while
// then. That must end when the store queues the waiters.
func TestAProcessYieldsAsOftenAsOthersOnceTheStoreQueuesItsWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		ctx, stop := context.WithCancel(t.Context())
		var first, second atomic.Int64
		crowd := func(turns *atomic.Int64, b backing.Backing) {
			m, err := mutex.New(b, "k", mutex.Config{})
			require.NoError(t, err)
			for range 20 {
				go func() {
					for ctx.Err() == nil {
						_, _ = mutex.WithLock(m, func(context.Context) (int, error) {
							turns.Add(1)
							time.Sleep(time.Millisecond)
							return 0, nil
						})(ctx)
					}
				}()
			}
		}
		crowd(&first, &yieldsBlindly{store, true})
		time.Sleep(time.Second)
		first.Store(0)
		crowd(&second, &yieldsBlindly{store, false})
		time.Sleep(10 * time.Second)
		assert.InDelta(t, first.Load(), second.Load(), 1500)
		stop()
		synctest.Wait()
		time.Sleep(time.Minute)
	})
}
