package hazards_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// forgotten is when a free lock has been forgotten: its release is remembered for a little
// more than the 5 s in which it may be repeated.
const forgotten = 10 * time.Second

// use locks each of many keys once, many at a time, and one key many times, under another holder id
// each time, with a very long lease. It returns the number of keys. The full test has 100,000 keys
// and 20,000 turns.
func (a *arena) use(processes ...backing.Backing) (keys int) {
	a.t.Helper()
	const atATime, goroutines = 50, 8
	keys, turns := 3000, 1500
	if full(a.t) {
		keys, turns = 100_000, 20_000
	}
	var all []effect.Effect[effect.Void]
	for i := range keys {
		all = append(all, mutex.WithLock(newMutex(a.t, processes[i%len(processes)], a.name(i), mutex.Config{}), nothing))
	}
	_, err := effect.All(atATime, all...)(a.t.Context())
	require.NoError(a.t, err)
	all = nil
	for i := range goroutines {
		m := newMutex(a.t, processes[i%len(processes)], a.name(0), mutex.Config{TTL: 24 * time.Hour})
		all = append(all, func(ctx context.Context) (none effect.Void, err error) {
			for range turns / goroutines {
				if _, err = mutex.WithLock(m, nothing)(ctx); err != nil {
					break
				}
			}
			return none, err
		})
	}
	_, err = effect.All(goroutines, all...)(a.t.Context())
	require.NoError(a.t, err)
	return keys
}

// inDoubt is how many requests a busy machine may leave without a reply. For a minute the server keeps
// their claims, which it must refuse, in the queues of their locks.
func inDoubt(requests int) int { return requests / 100 }

// A program that locks a key per order leaves nothing behind for each of them.
func TestHazard56_LocksThatWereUsedLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	keys := s.use(s.process(), s.process())
	eventually(t, func() bool { return len(s.keys("*")) <= 1+inDoubt(keys) }, "everything but a fence is forgotten")
}

// On a Cluster one key for each slot may stay.
func TestHazard56_LocksOfAClusterLeaveNoMoreThanASmallKeyForEachSlot(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	keys := c.use(c.process(), c.process())
	time.Sleep(forgotten)
	left, doubts := map[int64]string{}, 0
	for _, s := range c.masters {
		for _, k := range s.keys("*") {
			if strings.HasSuffix(k, "~queue") {
				doubts++
				continue
			}
			slot := s.slotOf(k)
			require.Empty(t, left[slot], "%q has the slot of %q", k, left[slot])
			left[slot] = k
			size, err := s.direct.MemoryUsage(t.Context(), k).Result()
			require.NoError(t, err)
			require.LessOrEqual(t, size, int64(150), "%q", k)
		}
	}
	assert.LessOrEqual(t, doubts, inDoubt(keys))
	assert.LessOrEqual(t, len(left), min(keys+1, 16384)) // one more for the first fence, that of a server
}
