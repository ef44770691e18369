package faulty

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

// Memory is a [memory.Backing] that can lose its data. It may also reserve a key for a
// waiter that it wakes only for a while, like a store whose clients may die.
type Memory struct {
	// Reserve is the longest time for which a key is reserved for a waiter; 0 means the
	// whole lease. A waiter in the queue asks again after three quarters of it. Set it first.
	//
	// If it is set, operations run one at a time, each with the wake-ups that it causes:
	// between the two, a waiter that asks could already have its whole lease. So no Wake may
	// call the store.
	Reserve time.Duration

	operation sync.Mutex // held by the running operation, if Reserve is set
	store     atomic.Pointer[memory.Backing]

	mu    sync.Mutex
	wakes []func() // of all waiters so far, if wake-ups go astray
	next  int      // the index of the next in wakes
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory {
	m := &Memory{}
	m.LoseData()
	return m
}

// LoseData empties the store, as a restart without persistence does.
func (m *Memory) LoseData() { m.store.Store(memory.New()) }

// alone returns the store for one operation, and a function that ends the operation.
func (m *Memory) alone() (b *memory.Backing, done func()) {
	if m.Reserve == 0 {
		return m.store.Load(), func() {}
	}
	m.operation.Lock()
	return m.store.Load(), m.operation.Unlock
}

// TryAcquire implements [backing.Backing].
func (m *Memory) TryAcquire(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
	b, done := m.alone()
	defer done()
	return b.TryAcquire(ctx, c)
}

// Refresh implements [backing.Backing].
func (m *Memory) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	b, done := m.alone()
	defer done()
	return b.Refresh(ctx, c)
}

// RefreshAll implements [backing.Batcher].
func (m *Memory) RefreshAll(ctx context.Context, cs []backing.Claim) []backing.Refreshed {
	b, done := m.alone()
	defer done()
	return b.RefreshAll(ctx, cs)
}

// Release implements [backing.Backing].
func (m *Memory) Release(ctx context.Context, key, holder string) (bool, error) {
	b, done := m.alone()
	defer done()
	return b.Release(ctx, key, holder)
}

// ReleaseClaim implements [backing.Releaser].
func (m *Memory) ReleaseClaim(ctx context.Context, c backing.Claim) (backing.Released, error) {
	b, done := m.alone()
	defer done()
	return b.ReleaseClaim(ctx, c)
}

// IsLocked implements [backing.Backing].
func (m *Memory) IsLocked(ctx context.Context, key string) (bool, error) {
	return m.store.Load().IsLocked(ctx, key)
}

// GetHolder implements [backing.Backing].
func (m *Memory) GetHolder(ctx context.Context, key string) (option.Option[string], error) {
	return m.store.Load().GetHolder(ctx, key)
}

// Enqueue implements [backing.Queue].
func (m *Memory) Enqueue(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
	b, done := m.alone()
	defer done()
	o, err := b.Enqueue(ctx, m.reserves(b, w))
	return m.soon(o), err
}

// Pass implements [backing.Passer].
func (m *Memory) Pass(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
	b, done := m.alone()
	defer done()
	o, err := b.Pass(ctx, from, m.reserves(b, next), yield)
	return m.soon(o), err
}

// reserves shortens the lease of a waiter that gets the key, before it is woken.
func (m *Memory) reserves(b *memory.Backing, w backing.Waiter) backing.Waiter {
	if m.Reserve == 0 {
		return w
	}
	wake, brief := w.Wake, w.Claim
	brief.TTL = min(m.Reserve, brief.TTL)
	w.Wake = func() {
		_, _ = b.Refresh(context.Background(), brief)
		wake()
	}
	return w
}

func (m *Memory) soon(o backing.Outcome) backing.Outcome {
	if queued, ok := o.(backing.Queued); ok && m.Reserve > 0 {
		return backing.Queued{AskAgain: min(queued.AskAgain, m.Reserve*3/4)}
	}
	return o
}

// stray remembers how to wake a waiter, and returns a function that wakes all remembered
// waiters in turn, one per call.
func (m *Memory) stray(wake func()) func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wakes = append(m.wakes, wake)
	return func() {
		m.mu.Lock()
		m.next = (m.next + 1) % len(m.wakes)
		other := m.wakes[m.next]
		m.mu.Unlock()
		other()
	}
}
