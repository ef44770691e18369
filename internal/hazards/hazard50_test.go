package hazards_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
)

// newEndpoint is one address in front of all slots of a Cluster.
func newEndpoint(t *testing.T) store {
	t.Helper()
	s := redistest.StartEndpoint(t)
	return store{s, s.Client(t)}
}

// Leases that are due together are refreshed together, and those of different slots
// cannot be in one request.
func TestHazard50_LocksOfManySlotsAreKeptThroughOneEndpoint(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 20} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			s := newEndpoint(t)
			b, far := s.process(t), s.process(t)
			config := mutex.Config{TTL: 3 * time.Second, RefreshInterval: 500 * time.Millisecond}
			var holders, waiters []*contender
			for i := range n {
				holder := contend(t, b, fmt.Sprint(key, i), config)
				holder.enters(t, patience)
				holders = append(holders, holder)
			}
			for i := range n {
				waiter := contend(t, far, fmt.Sprint(key, i), config)
				waiter.waits(t)
				waiters = append(waiters, waiter)
			}
			time.Sleep(2 * config.TTL) // twice a lease, in which nothing should happen
			for i, holder := range holders {
				require.Zero(t, holder.seen(mutex.Lost), "%v", holder.lastError(mutex.Lost))
				assertOutside(t, waiters[i])
				holder.letsGo(t)
				waiters[i].enters(t, bound+little)
				assert.Greater(t, waiters[i].token, holder.token)
				waiters[i].letsGo(t)
			}
			s.assertFree(t)
		})
	}
}

// The first requests of a process find out together that slots are enforced. None of
// them fails for that, and their tokens rise in the slots' own fences.
func TestHazard50_TheFirstRequestsOfAProcessFindOutTogether(t *testing.T) {
	t.Parallel()
	s := newEndpoint(t)
	for round := range 5 {
		b, before := s.process(t), make([]uint64, 20)
		var running sync.WaitGroup
		for i := range before {
			running.Go(func() {
				c := backing.Claim{Key: fmt.Sprint(key, round, "-", i), Holder: "h", TTL: long}
				for turn := range 2 {
					grant, err := b.TryAcquire(t.Context(), c)
					assert.NoError(t, err)
					g, ok := option.Unwrap(grant)
					assert.True(t, ok)
					assert.Greater(t, g.Token, before[i], "turn %d", turn)
					before[i] = g.Token
					_, err = b.Release(t.Context(), c.Key, "h")
					assert.NoError(t, err)
				}
			})
		}
		running.Wait()
	}
	fences, err := s.direct.Keys(t.Context(), "dmutex:{*}~fence").Result()
	require.NoError(t, err)
	assert.Greater(t, len(fences), 1, "one for each slot")
	assert.Contains(t, fences, s.fenceOf(t, key+"0-0"))
	s.assertFree(t)
}

// fenceOf is the fence that is in the slot of a lock.
func (s store) fenceOf(t *testing.T, name string) string {
	t.Helper()
	slotOf := func(k string) int64 { return s.direct.ClusterKeySlot(t.Context(), k).Val() }
	fences, err := s.direct.Keys(t.Context(), "dmutex:{*}~fence").Result()
	require.NoError(t, err)
	for _, fence := range fences {
		if slotOf(fence) == slotOf("dmutex:"+name) {
			return fence
		}
	}
	return ""
}

// What is refused once is grouped by slots from then on, so the second request of all
// leases succeeds at the latest; and each answer is about its own lease.
func TestHazard50_ABatchOfLeasesOfManySlotsIsAnsweredOneByOne(t *testing.T) {
	t.Parallel()
	s := newEndpoint(t)
	b := s.process(t)
	var claims []backing.Claim
	for i := range 10 {
		c := backing.Claim{Key: fmt.Sprint(key, i), Holder: "h", TTL: long}
		claims = append(claims, c)
		if i%3 > 0 {
			grant, err := b.TryAcquire(t.Context(), c)
			require.NoError(t, err)
			require.True(t, option.IsSome(grant))
		}
	}
	all := b.RefreshAll(t.Context(), claims)
	for _, r := range all {
		if r.Err != nil {
			assert.False(t, backing.IsPermanent(r.Err), "%v", r.Err)
			all = b.RefreshAll(t.Context(), claims)
			break
		}
	}
	require.Len(t, all, len(claims))
	for i, r := range all {
		assert.NoError(t, r.Err, "%d", i)
		assert.Equal(t, i%3 > 0, r.Held, "%d", i)
	}
}

func TestHazard50_ProcessesTakeTurnsAtLocksOfManySlots(t *testing.T) {
	t.Parallel()
	s := newEndpoint(t)
	var names []string
	for i := range 10 {
		names = append(names, fmt.Sprint(key, i))
	}
	takeTurns(t, 3*time.Second, bound+little, names, s.process(t), s.process(t), s.process(t))
	s.assertFree(t)
}

// Push is for a process what it is on a single server.
func TestHazard50_AWaiterIsToldThroughOneEndpoint(t *testing.T) {
	t.Parallel()
	s := newEndpoint(t)
	b := s.process(t)
	for i := range 5 {
		name := fmt.Sprint(key, i)
		holder := contend(t, b, name, mutex.Config{TTL: long})
		holder.enters(t, patience)
		waiter := contend(t, s.process(t), name, mutex.Config{TTL: long})
		waiter.waits(t)
		holder.letsGo(t)
		waiter.enters(t, little)
		assert.Zero(t, waiter.seen(mutex.Polling), "%v", waiter.lastError(mutex.Polling))
		waiter.letsGo(t)
	}
}
