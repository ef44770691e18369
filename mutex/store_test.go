package mutex_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/mutex"
)

const (
	key = "orders"
	ttl = 30 * time.Second
)

// errStore is how a store fails in these tests.
var errStore = errors.New("the store is down")

// store is one process's view of the memory backing, with faults. It counts the requests.
type store struct {
	current  atomic.Pointer[memory.Backing]
	able     bool // the store has all abilities, and so queues waiters
	unqueued bool // the store has all abilities except the queue

	mu     sync.Mutex
	faults map[string]fault
	calls  map[string]int
}

// newStore returns a store without abilities: waiters poll it.
func newStore() *store {
	s := &store{faults: map[string]fault{}, calls: map[string]int{}}
	s.loseData()
	return s
}

// newQueued returns a store with all abilities.
func newQueued() *store {
	s := newStore()
	s.able = true
	return s
}

// stores makes a store of each kind.
var stores = map[string]func() *store{"polls": newStore, "queues": newQueued}

// anotherProcess returns a store with the same memory, and with wait queues of its own.
func (s *store) anotherProcess() *store {
	other := newStore()
	other.able = s.able
	other.current.Store(s.real())
	return other
}

// loseData empties the store, as a restart without persistence does.
func (s *store) loseData() { s.current.Store(memory.New()) }

// real returns the store without faults.
func (s *store) real() *memory.Backing { return s.current.Load() }

// take makes somebody else the holder, after a loss of data.
func (s *store) take() {
	s.loseData()
	s.grant("somebody else", time.Hour)
}

// grant makes a claimant of another process ask for the lock.
func (s *store) grant(holder string, ttl time.Duration) (granted bool) {
	g, err := s.real().TryAcquire(context.Background(), backing.Claim{Key: key, Holder: holder, TTL: ttl})
	return err == nil && option.IsSome(g)
}

// free releases the lock in the name of a holder.
func (s *store) free(holder string) { _, _ = s.real().Release(context.Background(), key, holder) }

// holder returns the id of the lock's holder, or "" if there is none.
func (s *store) holder() string {
	holding, _ := s.real().GetHolder(context.Background(), key)
	return option.GetOrElse(func() string { return "" })(holding)
}

func (s *store) requireFree(t *testing.T) {
	t.Helper()
	require.Empty(t, s.holder(), "the lock is still held")
}

// called returns how many requests of the operations the store was sent, or of all if none are named.
func (s *store) called(operations ...string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for operation, calls := range s.calls {
		if len(operations) == 0 || slices.Contains(operations, operation) {
			n += calls
		}
	}
	return n
}

// on sets the fault of some operations. nil removes it.
func (s *store) on(f fault, operations ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, operation := range operations {
		s.faults[operation] = f
	}
}

// request is a request that a fault has caught.
type request struct {
	n      int            // its number among those of its operation, from 1
	claim  backing.Claim  // the holder's in a Pass
	waiter backing.Waiter // Enqueue and Pass
	yield  bool           // Pass
	send   func(context.Context) error
	answer any // what the store has answered; the fault may put something else there
}

// fault decides what becomes of a request. The caller gets the store's answer, or a zero answer
// if the request was not sent, and with it the error of the fault.
type fault func(ctx context.Context, r *request) error

// send sends a request through its fault.
func send[A any](ctx context.Context, s *store, operation string, r request, apply func(context.Context) (A, error)) (a A, err error) {
	s.mu.Lock()
	s.calls[operation]++
	r.n = s.calls[operation]
	fault := s.faults[operation]
	s.mu.Unlock()
	r.send = func(ctx context.Context) error {
		a, err := apply(ctx)
		r.answer = a
		return err
	}
	if fault == nil {
		return apply(ctx)
	}
	err = fault(ctx, &r)
	a, _ = r.answer.(A)
	return a, err
}

func fails(context.Context, *request) error { return errStore }

// hangs never answers.
func hangs(ctx context.Context, _ *request) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// loses applies the request, and never answers.
func loses(ctx context.Context, r *request) error {
	_ = r.send(ctx)
	return hangs(ctx, r)
}

// breaks applies the request, and fails.
func breaks(ctx context.Context, r *request) error { return errors.Join(errStore, r.send(ctx)) }

// notSent fails before the store can have received the request.
func notSent(context.Context, *request) error { return backing.NotSent(errStore) }

// late applies the request, and answers only after d, whatever becomes of the caller.
func late(d time.Duration) fault {
	return func(ctx context.Context, r *request) error {
		defer time.Sleep(d)
		return r.send(context.WithoutCancel(ctx))
	}
}

// slow applies the request after d.
func slow(d time.Duration) fault {
	return func(ctx context.Context, r *request) error {
		time.Sleep(d)
		return r.send(ctx)
	}
}

// first is a fault of the first n requests; split is one fault of those and another of the rest.
func first(n int, f fault) fault { return split(n, f, pass) }

func split(n int, first, rest fault) fault {
	return func(ctx context.Context, r *request) error {
		if r.n <= n {
			return first(ctx, r)
		}
		return rest(ctx, r)
	}
}

// pass is the absence of a fault.
func pass(ctx context.Context, r *request) error { return r.send(ctx) }

// outage fails all requests for a time, from the first on.
func outage(d time.Duration) fault {
	var since time.Time
	return func(ctx context.Context, r *request) error {
		if r.n == 1 {
			since = time.Now()
		}
		if time.Since(since) < d {
			return errStore
		}
		return r.send(ctx)
	}
}

func newMutex(t *testing.T, b backing.Backing, c mutex.Config) *mutex.Mutex {
	t.Helper()
	return newMutexOf(t, b, key, c)
}

func newMutexOf(t *testing.T, b backing.Backing, key string, c mutex.Config) *mutex.Mutex {
	t.Helper()
	m, err := mutex.New(b, key, c)
	require.NoError(t, err)
	t.Cleanup(func() { awaitCleanup(t, b) })
	return m
}

// awaitCleanup waits until no failed acquisition is left to clean up.
func awaitCleanup(t *testing.T, b backing.Backing) {
	t.Helper()
	_, err := mutex.AwaitCleanup(b)(context.Background())
	require.NoError(t, err)
}
