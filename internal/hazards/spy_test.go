package hazards_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis"
)

// spy is a store that counts its requests, by the names that errors use for them.
type spy struct {
	*redis.Backing
	refreshing *redis.Backing // refreshes go there
	patient    bool           // a refresh waits for its reply even if its context has ended

	t       *testing.T
	mu      sync.Mutex
	counts  map[string]int
	flying  map[string]int       // holders that are being refreshed, and with how many others
	early   int                  // how many released during their refresh
	tries   []time.Time          // when refreshes began
	success map[string]time.Time // when each holder's last successful refresh began
	failed  string               // the errors of refreshes
	most    int                  // the most leases in one request
}

func spyOn(t *testing.T, b *redis.Backing) *spy {
	t.Helper()
	return &spy{t: t, Backing: b, refreshing: b, counts: map[string]int{}, flying: map[string]int{}, success: map[string]time.Time{}}
}

func (s *spy) Abilities() backing.Abilities {
	return backing.Abilities{Of: s, Queue: s, Passer: s, Batcher: s, Releaser: s}
}

func (s *spy) TryAcquire(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
	s.note("tryAcquire", "")
	return s.Backing.TryAcquire(ctx, c)
}

func (s *spy) Enqueue(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
	s.note("tryAcquire", "")
	return s.Backing.Enqueue(ctx, w)
}

func (s *spy) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	if s.patient {
		ctx = context.WithoutCancel(ctx)
	}
	landed := s.flies(c)
	held, err := s.refreshing.Refresh(ctx, c)
	landed(backing.Refreshed{Held: held, Err: err})
	return held, err
}

func (s *spy) RefreshAll(ctx context.Context, claims []backing.Claim) []backing.Refreshed {
	landed := s.flies(claims...)
	all := s.refreshing.RefreshAll(ctx, claims)
	landed(all...)
	return all
}

func (s *spy) Release(ctx context.Context, key, holder string) (bool, error) {
	s.note("release", holder)
	return s.Backing.Release(ctx, key, holder)
}

func (s *spy) ReleaseClaim(ctx context.Context, c backing.Claim) (backing.Released, error) {
	s.note("release", c.Holder)
	return s.Backing.ReleaseClaim(ctx, c)
}

func (s *spy) Pass(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
	s.note("release", from.Holder)
	return s.Backing.Pass(ctx, from, next, yield)
}

func (s *spy) note(operation, releases string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[operation]++
	if s.flying[releases] > 0 {
		s.early++
	}
}

// flies records a refresh as under way until the function that it returns is called.
func (s *spy) flies(claims ...backing.Claim) (landed func(all ...backing.Refreshed)) {
	began := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts["refresh"] += len(claims)
	s.tries = append(s.tries, began)
	s.most = max(s.most, len(claims))
	for _, c := range claims {
		s.flying[c.Holder] = len(claims)
	}
	return func(all ...backing.Refreshed) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for i, c := range claims {
			delete(s.flying, c.Holder)
			switch r := all[i]; {
			case r.Err != nil:
				s.failed += r.Err.Error() + "\n"
			case r.Held:
				s.success[c.Holder] = began
				s.counts["held"]++
			}
		}
	}
}

// asked returns how often the store was asked for an operation since the last call.
func (s *spy) asked(operation string) (n int) {
	s.read(func() {
		n = s.counts[operation]
		s.counts[operation] = 0
	})
	return n
}

// read calls a function that reads the fields, under the mutex.
func (s *spy) read(look func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	look()
}

// refreshes waits until each of the contenders, or any holder if there are none, has a refresh that
// begins from now on and succeeds.
func (s *spy) refreshes(all ...*contender) {
	s.t.Helper()
	now := time.Now()
	eventually(s.t, func() (ok bool) {
		s.read(func() {
			for _, at := range s.success {
				ok = ok || at.After(now)
			}
			for _, c := range all {
				ok = ok && s.success[c.holder].After(now)
			}
		})
		return ok
	}, "it is refreshed")
}

// inFlight waits until a lease is being refreshed in a request for at least so many, and returns
// its holder.
func (s *spy) inFlight(together int) (holder string) {
	s.t.Helper()
	eventually(s.t, func() bool {
		s.read(func() {
			for who, n := range s.flying {
				if n >= together {
					holder = who
				}
			}
		})
		return holder != ""
	}, "a refresh of %d leases", together)
	return holder
}

// assertJoined asserts that no lock was released while its lease was being refreshed.
func (s *spy) assertJoined() {
	s.t.Helper()
	s.read(func() { require.Zero(s.t, s.early, "released while its refresh was under way") })
}
