package hazards_test

import (
	"sync"
	"testing"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
)

var sharedEndpoint = shared[*redistest.Server]{start: func(t testing.TB) *redistest.Server { return redistest.StartEndpoint(t) }}

// newEndpoint is one address in front of all slots of a Cluster.
func newEndpoint(t *testing.T) store {
	t.Helper()
	return storeOf(t, sharedEndpoint.use(t))
}

// Leases that are due together are refreshed together, except that leases of different
// slots cannot share a request. Push works as on a single server.
func TestHazard50_LocksOfManySlotsAreKeptThroughOneEndpoint(t *testing.T) {
	t.Parallel()
	s := newEndpoint(t)
	b, far := spyOn(t, s.process()), s.process()
	holders := s.crowd(b, 20, mutex.Config{TTL: long, RefreshInterval: short / 2})
	var waiters []*contender
	for _, holder := range holders {
		waiters = append(waiters, s.wantKey(holder.key, far))
	}
	for range 3 {
		b.refreshes(holders...)
	}
	for i, holder := range holders {
		waiters[i].waits()
		holder.letsGo()
		waiters[i].takesTurn()
		waiters[i].assertQuiet()
	}
	s.assertFree()
}

// The first requests of a process find out together that slots are enforced. None of them
// fails because of that, and their tokens rise in the fence of each slot.
func TestHazard50_TheFirstRequestsOfAProcessFindOutTogether(t *testing.T) {
	t.Parallel()
	s := newEndpoint(t)
	b, before := s.process(), make([]uint64, 20)
	var running sync.WaitGroup
	for i := range before {
		running.Go(func() {
			for turn := range 2 {
				grant, err := b.TryAcquire(t.Context(), claimOf(s.name(i), "h"))
				assert.NoError(t, err)
				g, _ := option.Unwrap(grant)
				assert.Greater(t, g.Token, before[i], "turn %d", turn)
				before[i] = g.Token
				_, err = b.Release(t.Context(), s.name(i), "h")
				assert.NoError(t, err)
			}
		})
	}
	running.Wait()
	assert.Greater(t, len(s.keys("dmutex:{*}~fence")), 1, "one for each slot")
	s.assertFree()
}
