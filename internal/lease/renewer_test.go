package lease

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/deferred"
)

// counting is a store that renews every lease, and counts the requests.
type counting struct {
	backing.Backing
	requests, leases int
}

func (c *counting) Refresh(ctx context.Context, claim backing.Claim) (bool, error) {
	return c.RefreshAll(ctx, []backing.Claim{claim})[0].Held, nil
}

func (c *counting) RefreshAll(_ context.Context, claims []backing.Claim) []backing.Refreshed {
	c.requests++
	c.leases += len(claims)
	return slices.Repeat([]backing.Refreshed{{Held: true}}, len(claims))
}

// A store need not be able to refresh two leases of one key together: one of the two holders
// has lost it and does not know it yet, or both have one id.
func TestLeasesOfOneKeyShareNoRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &counting{}
		r := NewRenewer(Key{store, 30 * time.Second, 10 * time.Second}, store, 2*time.Second)
		_, err := effect.Scoped(func(s *effect.Scope) effect.Effect[int] {
			for _, key := range []string{"a", "b", "b", "b"} {
				l := &Lease{}
				l.Init(r, backing.Claim{Key: key, TTL: r.TTL}, time.Now(), nil)
				require.NoError(t, l.Start(s))
			}
			return effect.As[effect.Void](1)(effect.Sleep(r.Interval + time.Second))
		})(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 4, store.leases)
		assert.Equal(t, 3, store.requests)
	})
}

// The test runs for many rounds: the leases must not drift apart.
func TestLeasesThatAreDueAtAboutTheSameTimeShareARequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const locks, rounds = 100, 100
		store := &counting{}
		r := NewRenewer(Key{store, 30 * time.Second, 10 * time.Second}, store, 2*time.Second)
		_, err := effect.Scoped(func(s *effect.Scope) effect.Effect[int] {
			return func(context.Context) (int, error) {
				for i := range locks {
					l := &Lease{}
					l.Init(r, backing.Claim{Key: strconv.Itoa(i), TTL: r.TTL}, time.Now(), nil)
					require.NoError(t, l.Start(s))
					time.Sleep(time.Second / locks)
				}
				time.Sleep(rounds * r.Interval)
				return 0, nil
			}
		})(t.Context())
		require.NoError(t, err)
		assert.InDelta(t, rounds*locks, store.leases, rounds*locks/50, "each at most a fiftieth early")
		assert.LessOrEqual(t, store.requests, (rounds+2)*6, "at most six requests in each second of due times")
	})
}

// The scope closes while the lease is being started.
func TestALeaseThatIsStoppedBeforeItIsScheduledIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	r, l := NewRenewer(Key{nil, time.Second, time.Second / 3}, nil, time.Second), &Lease{}
	l.Init(r, backing.Claim{}, time.Now(), nil)
	_, err := effect.Scoped(func(s *effect.Scope) effect.Effect[int] {
		require.NoError(t, effect.StartDeferred(&l.Fiber, s, deferred.Owner{Stopper: l}))
		return effect.Succeed(1)
	})(t.Context())
	require.NoError(t, err)
	require.Equal(t, Unrefreshed, l.term.State)
	l.Apply(Term.Release, time.Now())
	l.enter()
	assert.Nil(t, r.schedule.first(), "the lease has ended")
}

func TestAScheduleHasTheLeasesInOrder(t *testing.T) {
	t.Parallel()
	s, all, random := schedule{at: map[time.Duration]*bucket{}}, make([]Lease, 50), rand.New(rand.NewPCG(1, 2))
	for range 500 {
		l, due := &all[random.IntN(len(all))], time.Duration(random.IntN(20))
		if s.remove(l); random.IntN(3) > 0 {
			s.move(l, due)
		}
		first, leases := s.first(), 0
		for _, b := range s.heap {
			leases += len(b.leases)
			require.NotEmpty(t, b.leases)
			require.GreaterOrEqual(t, b.due, first.due)
		}
		for i := range all {
			if l := &all[i]; l.bucket != nil {
				leases--
				require.Same(t, l, l.bucket.leases[l.index])
			}
		}
		require.Zero(t, leases, "each is in one bucket, once")
		require.Len(t, s.at, len(s.heap))
	}
}
