package hazards_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// fullVariable, if it is set, makes the footprint tests twenty and ten times as large.
const fullVariable = "EFFECTLOCK_HAZARDS_FULL"

// usage is how the locks are used before what is left of them is counted.
type usage struct{ keys, turns int }

func used() usage {
	if os.Getenv(fullVariable) != "" {
		return usage{keys: 100_000, turns: 20_000}
	}
	return usage{keys: 5000, turns: 2000}
}

// forgotten is when a free lock has been forgotten: what is remembered of a release is,
// for a little more than the 5 s for which it may be repeated.
const forgotten = 10 * time.Second

// A program that locks a key per order leaves nothing behind for each of them.
func TestHazard56_LocksThatWereUsedOnceLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	u := used()
	u.lockEachOnce(t, s.process(t), s.process(t))
	s.leavesLittle(t, 100)
}

// However long the leases are.
func TestHazard56_ManyTurnsAtOneLockLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	u := used()
	u.takeTurns(t, s.process(t), s.process(t))
	s.leavesLittle(t, 100)
}

// On a Cluster one key for each slot may stay.
func TestHazard56_LocksOfAClusterLeaveNoMoreThanASmallKeyForEachSlot(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	u := used()
	u.lockEachOnce(t, c.process(t), c.process(t))
	u.takeTurns(t, c.process(t), c.process(t))
	slots := map[int64]bool{}
	for i := range u.keys {
		slots[slotOf(t, c.masters[0].direct, "dmutex:"+u.name(i))] = true
		if len(slots) == 16384 {
			break
		}
	}
	time.Sleep(forgotten)
	left := map[int64]string{}
	for _, s := range c.masters {
		for _, k := range s.keys(t) {
			slot := slotOf(t, s.direct, k)
			assert.Empty(t, left[slot], "%q has the slot of %q", k, left[slot])
			left[slot] = k
			size, err := s.direct.MemoryUsage(t.Context(), k).Result()
			require.NoError(t, err)
			assert.LessOrEqual(t, size, int64(150), "%q", k)
			if t.Failed() {
				require.FailNow(t, "there is more", "%d keys on one master", len(s.keys(t)))
			}
		}
	}
	t.Logf("%d slots used, %d keys left", len(slots), len(left))
	assert.LessOrEqual(t, len(left), len(slots)+1) // and the first, that of a server
}

func (u usage) name(i int) string { return fmt.Sprint("order-", i) }

// lockEachOnce locks each of many keys once, and many at a time.
func (u usage) lockEachOnce(t *testing.T, processes ...backing.Backing) {
	t.Helper()
	const atATime = 200
	var all []effect.Effect[effect.Void]
	for i := range u.keys {
		m := newMutex(t, processes[i%len(processes)], u.name(i), mutex.Config{})
		all = append(all, mutex.WithLock(m, effect.Succeed(effect.Void{})))
	}
	began := time.Now()
	_, err := effect.All(atATime, all...)(t.Context())
	require.NoError(t, err)
	t.Logf("%d keys locked once, in %v", u.keys, time.Since(began).Round(time.Millisecond))
}

// takeTurns has several goroutines of each process lock one key again and again, each
// time under another holder id.
func (u usage) takeTurns(t *testing.T, processes ...backing.Backing) {
	t.Helper()
	const goroutines = 8 // of each process
	var all []effect.Effect[int]
	for _, b := range processes {
		m := newMutex(t, b, u.name(0), mutex.Config{TTL: 24 * time.Hour})
		once := mutex.WithLock(m, effect.Succeed(effect.Void{}))
		for range goroutines {
			all = append(all, func(ctx context.Context) (n int, err error) {
				for range u.turns / goroutines / len(processes) {
					if _, err = once(ctx); err != nil {
						break
					}
				}
				return n, err
			})
		}
	}
	began := time.Now()
	_, err := effect.All(len(all), all...)(t.Context())
	require.NoError(t, err)
	t.Logf("%d turns at one key, in %v", u.turns, time.Since(began).Round(time.Millisecond))
}

// leavesLittle waits until what was used should be forgotten, and asserts that no more
// than so many keys are left, of all that there are.
func (s store) leavesLittle(t *testing.T, most int) {
	t.Helper()
	time.Sleep(forgotten)
	left := s.keys(t)
	t.Logf("%d keys left", len(left))
	assert.LessOrEqual(t, len(left), most, "such as %q", left[:min(len(left), 3)])
}

// keys are all keys of the server.
func (s store) keys(t *testing.T) (all []string) {
	t.Helper()
	found := s.direct.Scan(t.Context(), 0, "*", 1000).Iterator()
	for found.Next(t.Context()) {
		all = append(all, found.Val())
	}
	require.NoError(t, found.Err())
	return all
}

func slotOf(t *testing.T, client *goredis.Client, key string) int64 {
	t.Helper()
	slot, err := client.ClusterKeySlot(t.Context(), key).Result()
	require.NoError(t, err)
	return slot
}
