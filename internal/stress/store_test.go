package stress_test

import (
	"context"
	"sync"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

const (
	// reserved is how long the store keeps a key at most for a waiter that it wakes, and
	askAgain = reserved * 3 / 4 // is when a waiter in its queue asks again.
	reserved = 2 * time.Second
)

// store is a memory.Backing that keeps a key for a waiter only for a while, as a store
// does whose clients may die. One operation at a time runs, with the wake-ups that it
// causes: between the two, a waiter that asks could have its whole lease already.
type store struct {
	mu     sync.Mutex
	memory *memory.Backing
}

func newStore() *store { return &store{memory: memory.New()} }

func (s *store) TryAcquire(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.memory.TryAcquire(ctx, c)
}

func (s *store) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.memory.Refresh(ctx, c)
}

func (s *store) RefreshAll(ctx context.Context, cs []backing.Claim) []backing.Refreshed {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.memory.RefreshAll(ctx, cs)
}

func (s *store) Release(ctx context.Context, key, holder string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.memory.Release(ctx, key, holder)
}

func (s *store) ReleaseClaim(ctx context.Context, c backing.Claim) (backing.Released, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.memory.ReleaseClaim(ctx, c)
}

func (s *store) IsLocked(ctx context.Context, key string) (bool, error) {
	return s.memory.IsLocked(ctx, key)
}

func (s *store) GetHolder(ctx context.Context, key string) (option.Option[string], error) {
	return s.memory.GetHolder(ctx, key)
}

func (s *store) Enqueue(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.memory.Enqueue(ctx, s.reserves(w))
	return soon(o), err
}

func (s *store) Pass(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.memory.Pass(ctx, from, s.reserves(next), yield)
	return soon(o), err
}

// reserves shortens the lease of a waiter that is given the key, before it is woken.
func (s *store) reserves(w backing.Waiter) backing.Waiter {
	wake, brief := w.Wake, w.Claim
	brief.TTL = min(reserved, brief.TTL)
	w.Wake = func() {
		_, _ = s.memory.Refresh(context.Background(), brief)
		wake()
	}
	return w
}

func soon(o backing.Outcome) backing.Outcome {
	if queued, ok := o.(backing.Queued); ok {
		return backing.Queued{AskAgain: min(queued.AskAgain, askAgain)}
	}
	return o
}
