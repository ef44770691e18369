package mutex

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/turn"
)

// walkTurns is how many turns the walk takes, unless EFFECTLOCK_WALK sets the number.
const walkTurns = 10_000

// Goroutines of two processes take one lock at random and give up, with a store that is slow,
// fails, and wakes waiters for no reason. The step of package turn must have ordered each
// request that reaches the store, and the state must be sound each time and empty in the end.
func TestTheMutexDoesWhatTheStepSays(t *testing.T) {
	t.Parallel()
	seed, most := rand.Uint64(), int64(walkTurns)
	if n, err := strconv.ParseInt(os.Getenv("EFFECTLOCK_WALK"), 10, 64); err == nil {
		most = n
	}
	t.Logf("seed %d", seed)
	synctest.Test(t, func(t *testing.T) {
		lock := memory.New()
		var turns atomic.Int64
		var all sync.WaitGroup
		worlds := []*walk{newWalk(t, lock, seed), newWalk(t, lock, seed+1)}
		for i := range 32 {
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			all.Go(func() {
				for turns.Load() < most && !t.Failed() {
					if worlds[i%2].visit(t.Context(), random) {
						turns.Add(1)
					}
				}
			})
		}
		all.Wait()
		for _, w := range worlds {
			_, err := AwaitCleanup(w)(t.Context())
			require.NoError(t, err)
			assert.Empty(t, w.m.waitQueue.state.Waiters)
			assert.Empty(t, w.m.waitQueue.state.Holders)
			t.Logf("requests: %v", w.count)
		}
		holder, err := lock.GetHolder(t.Context(), "k")
		require.NoError(t, err)
		assert.Equal(t, option.None[string](), holder)
	})
}

// walk is one process's view of the store. It compares each request with the state.
type walk struct {
	*memory.Backing
	t *testing.T
	m *Mutex

	mu     sync.Mutex
	random *rand.Rand
	wakes  []func()
	count  map[string]int
}

func newWalk(t *testing.T, lock *memory.Backing, seed uint64) *walk {
	w := &walk{Backing: lock, t: t, random: rand.New(rand.NewPCG(seed, 0)), count: map[string]int{}}
	m, err := New(w, "k", Config{TTL: time.Minute, AcquireRetryInterval: 10 * time.Millisecond})
	require.NoError(t, err)
	w.m = m
	return w
}

func (w *walk) Abilities() backing.Abilities {
	return backing.Abilities{Of: w, Queue: w, Passer: w, Releaser: w}
}

// visit takes the lock in some way, and reports whether it did.
func (w *walk) visit(ctx context.Context, random *rand.Rand) (held bool) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(random.IntN(200))*time.Millisecond)
	defer cancel()
	inside := func(ctx context.Context) (effect.Void, error) {
		held = true
		return effect.Sleep(time.Duration(random.IntN(500)) * time.Microsecond)(ctx)
	}
	var err error
	if random.IntN(8) == 0 {
		_, err = WithLockIfAvailable(w.m, inside)(ctx)
		_, _ = effect.Sleep(time.Millisecond)(ctx)
	} else {
		_, err = WithLock(w.m, inside)(ctx)
	}
	if lost := (*LockLostError)(nil); errors.As(err, &lost) {
		assert.Fail(w.t, "a lease was lost", "%v", err)
	}
	return held
}

// request checks a request before it is applied, and lets it be slow, or fail before or
// after that.
func request[A any](ctx context.Context, w *walk, name string, ordered func(*turn.State) bool, apply func() (A, error)) (A, error) {
	w.check(name, ordered)
	w.mu.Lock()
	w.count[name]++
	dice, pause, late := w.random.IntN(100), time.Duration(w.random.IntN(100))*time.Microsecond, len(w.wakes) > 0 && w.random.IntN(10) == 0
	var wake func()
	if late {
		wake = w.wakes[w.random.IntN(len(w.wakes))]
	}
	w.mu.Unlock()
	if late {
		wake() // for no reason, perhaps of a waiter that has left
	}
	var none A
	if _, err := effect.Sleep(pause)(ctx); err != nil {
		return none, backing.NotSent(err)
	}
	if dice == 0 {
		return none, backing.NotSent(errors.New("connection refused"))
	}
	a, err := apply()
	if dice == 1 {
		return none, errors.New("connection reset")
	}
	return a, err
}

// check compares a request with the state, which must be sound.
func (w *walk) check(name string, ordered func(*turn.State) bool) {
	q := w.m.waitQueue
	q.mu.Lock()
	defer q.mu.Unlock()
	assert.Empty(w.t, q.state.Invariant())
	assert.True(w.t, ordered(&q.state), "%s was not ordered", name)
}

// phaseOf returns the phase of the waiter with a claim: out if it is not in line.
func phaseOf(s *turn.State, c backing.Claim) turn.Phase {
	if i := slices.IndexFunc(s.Waiters, func(w *turn.Waiter) bool { return w.ID == c.Holder }); i >= 0 {
		return s.Waiters[i].Phase
	}
	return turn.Out
}

func holds(s *turn.State, holder string) bool {
	return slices.ContainsFunc(s.Holders, func(h turn.Holder) bool { return h.ID == holder })
}

// hasPermits is false for a waiter that left while it was handed the lock, if it may not have it.
func hasPermits(h turn.Holder) bool { return h.Permits > 0 }

func (w *walk) Enqueue(ctx context.Context, c backing.Waiter) (backing.Outcome, error) {
	w.mu.Lock()
	w.wakes = append(w.wakes[max(0, len(w.wakes)-20):], c.Wake)
	w.mu.Unlock()
	return request(ctx, w, "enqueue", func(s *turn.State) bool {
		return phaseOf(s, c.Claim) == turn.Asking && !slices.ContainsFunc(s.Holders, hasPermits)
	},
		func() (backing.Outcome, error) { return w.Backing.Enqueue(ctx, c) })
}

func (w *walk) TryAcquire(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
	return request(ctx, w, "tryAcquire", func(s *turn.State) bool { return phaseOf(s, c) == turn.Out },
		func() (option.Option[backing.Grant], error) { return w.Backing.TryAcquire(ctx, c) })
}

func (w *walk) Pass(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
	ordered := func(s *turn.State) bool {
		p := phaseOf(s, next.Claim)
		return holds(s, from.Holder) && (p == turn.Receiving || p == turn.Out) && (!yield || s.Handovers >= turn.MaxHandovers)
	}
	return request(ctx, w, "pass", ordered, func() (backing.Outcome, error) { return w.Backing.Pass(ctx, from, next, yield) })
}

func (w *walk) ReleaseClaim(ctx context.Context, c backing.Claim) (backing.Released, error) {
	return request(ctx, w, "release", func(s *turn.State) bool { return phaseOf(s, c) == turn.Out },
		func() (backing.Released, error) { return w.Backing.ReleaseClaim(ctx, c) })
}
