package hazards_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// The refresh is first waited for, or given up, and only then is the lock released: so no
// refresh is sent after the release. Holders whose leases were refreshed with it notice
// nothing.
func TestHazard18_AReleaseWaitsForTheEndOfTheRefresh(t *testing.T) {
	t.Parallel()
	for _, fault := range []fault{slow, muted, cut} {
		for _, n := range []int{1, 50} {
			t.Run(fmt.Sprintf("%s, one of %d", fault.name, n), func(t *testing.T) {
				t.Parallel()
				f := sharedStore(t).at(goredis.Options{})
				b := spyOn(t, f.near)
				all := f.crowd(b, n, mutex.Config{TTL: long, RefreshInterval: short})
				mend := fault.begin(f)
				refreshed := b.inFlight(min(n, 2))
				defer time.AfterFunc(short/2, mend).Stop()
				for _, c := range all {
					if c.holder == refreshed {
						c.letsGo()
						assert.Empty(t, f.holderOf(c.key))
					}
				}
				b.assertJoined()
				mend()
				for _, c := range all {
					if c.holder != refreshed {
						c.letsGo()
					}
				}
				f.assertFree()
				b.assertJoined()
			})
		}
	}
}

// A refresh that was given up may still be on its way, on another connection than the
// release that overtakes it.
func TestHazard18_ARefreshThatArrivesAfterTheReleaseRevivesNothing(t *testing.T) {
	t.Parallel()
	f := newStore(t).at(goredis.Options{})
	b := spyOn(t, f.process())
	b.refreshing = f.near
	holder := f.hold(b, mutex.Config{TTL: long, RefreshInterval: short / 4})
	mend := cut.begin(f)
	f.sends()
	holder.letsGo()
	f.assertFree()
	asked := f.scripts()
	mend()
	eventually(t, func() bool { return f.scripts() > asked }, "the refresh arrives")
	f.assertFree()
}

// Every eighth holder stays for a moment in which its lease is refreshed, so that many locks
// are released while a refresh is due or under way. The full test has 100,000.
//
// It is not parallel, because it keeps both server and client busy.
func TestHazard19_AfterManyAcquiresAndReleasesNothingIsRenewed(t *testing.T) {
	const goroutines, keys = 64, 32
	times := int64(4000)
	if full(t) {
		times = 100_000
	}
	s := newStore(t)
	b := spyOn(t, s.process())
	var begun atomic.Int64
	var running sync.WaitGroup
	for n := range goroutines {
		m := newMutex(t, b, s.name(n%keys), mutex.Config{TTL: long, RefreshInterval: time.Millisecond})
		running.Go(func() {
			for i := begun.Add(1); i <= times; i = begun.Add(1) {
				_, err := mutex.WithLock(m, func(ctx context.Context) (effect.Void, error) {
					defer s.enter(ctx)()
					if i%8 == 0 {
						return effect.Sleep(rand.N(3 * time.Millisecond))(ctx)
					}
					return effect.Void{}, nil
				})(t.Context())
				if !assert.NoError(t, err) {
					return
				}
			}
		})
	}
	running.Wait()
	s.assertFree()
	assert.Greater(t, b.asked("refresh"), int(times/100), "too few refreshes to prove anything")
	b.assertJoined()
	before := s.scripts()
	time.Sleep(short) // hundreds of intervals
	assert.Equal(t, before, s.scripts(), "the server still receives requests")
	s.assertFree()
}

// A claimant that does not have the lock makes the holder's lease neither longer nor shorter,
// and makes no lease where there is none.
func TestHazard21_ARefreshByAnotherTouchesNoLease(t *testing.T) {
	t.Parallel()
	s := sharedStore(t)
	b := s.process()
	for _, wanted := range []time.Duration{2 * long, long / 2} {
		theirs, ours, nobodys := claimOf(s.key+"theirs", "us"), claimOf(s.key+"ours", "us"), claimOf(s.key+"nobody's", "us")
		theirs.TTL, ours.TTL, nobodys.TTL = wanted, wanted, wanted
		for key, holder := range map[string]string{theirs.Key: "them", ours.Key: "us"} {
			_, err := b.TryAcquire(t.Context(), claimOf(key, holder))
			require.NoError(t, err)
		}
		for _, c := range []backing.Claim{theirs, nobodys} {
			held, err := b.Refresh(t.Context(), c)
			require.NoError(t, err)
			assert.False(t, held, c.Key)
		}
		assert.Equal(t, []backing.Refreshed{{}, {Held: true}, {}}, b.RefreshAll(t.Context(), []backing.Claim{theirs, ours, nobodys}))
		assert.InDelta(t, long, s.ttl(theirs.Key), float64(soon))
		assert.InDelta(t, wanted, s.ttl(ours.Key), float64(soon))
		assert.Negative(t, s.ttl(nobodys.Key))
	}
}
