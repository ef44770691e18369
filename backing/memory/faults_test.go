package memory_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/backingtest"
	"github.com/effectlock/effectlock/backing/memory"
)

// Nothing is between a Backing and its callers but what a test puts there: a
// service that keeps its locks in memory is as far away as this.
func TestContractUnderFaults(t *testing.T) {
	t.Parallel()
	backingtest.RunFaults(t, func(*testing.T) (backing.Backing, backingtest.Faults) {
		f := &far{store: memory.New()}
		return f, backingtest.Faults{
			LoseReply: func() { f.change(func() { f.lossy = true }) },
			Cut:       func() { f.change(func() { f.cut = make(chan struct{}) }) },
			Heal:      func() { f.change(f.heal) },
			Wipe:      func() { f.change(func() { f.store = memory.New() }) },
		}
	}, backingtest.Virtual())
}

// far asks a store at the other end of a line.
type far struct {
	mu    sync.Mutex
	store *memory.Backing
	lossy bool          // the next answer is lost
	cut   chan struct{} // open while nothing comes through; nil otherwise
}

func (f *far) change(set func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	set()
}

func (f *far) heal() {
	if f.cut != nil {
		close(f.cut)
		f.cut = nil
	}
}

// reach returns the store as soon as the line lets it, and how the answer comes back.
func (f *far) reach(ctx context.Context) (store *memory.Backing, lossy bool, err error) {
	for {
		f.mu.Lock()
		cut := f.cut
		if cut == nil || ctx.Err() != nil {
			defer f.mu.Unlock()
			defer func() { f.lossy = false }()
			return f.store, f.lossy, ctx.Err()
		}
		f.mu.Unlock()
		select {
		case <-cut:
		case <-ctx.Done():
		}
	}
}

func ask[A any](ctx context.Context, f *far, operation func(*memory.Backing) (A, error)) (none A, err error) {
	store, lossy, err := f.reach(ctx)
	if err != nil {
		return none, err
	}
	answer, err := operation(store)
	if lossy {
		return none, errors.New("the answer was lost")
	}
	return answer, err
}

func (f *far) Abilities() backing.Abilities {
	return backing.Abilities{Of: f, Queue: f, Passer: f, Batcher: f, Releaser: f}
}

func (f *far) TryAcquire(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
	return ask(ctx, f, func(m *memory.Backing) (option.Option[backing.Grant], error) { return m.TryAcquire(ctx, c) })
}

func (f *far) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	return ask(ctx, f, func(m *memory.Backing) (bool, error) { return m.Refresh(ctx, c) })
}

func (f *far) Release(ctx context.Context, key, holder string) (bool, error) {
	return ask(ctx, f, func(m *memory.Backing) (bool, error) { return m.Release(ctx, key, holder) })
}

func (f *far) IsLocked(ctx context.Context, key string) (bool, error) {
	return ask(ctx, f, func(m *memory.Backing) (bool, error) { return m.IsLocked(ctx, key) })
}

func (f *far) GetHolder(ctx context.Context, key string) (option.Option[string], error) {
	return ask(ctx, f, func(m *memory.Backing) (option.Option[string], error) { return m.GetHolder(ctx, key) })
}

func (f *far) ReleaseClaim(ctx context.Context, c backing.Claim) (backing.Released, error) {
	return ask(ctx, f, func(m *memory.Backing) (backing.Released, error) { return m.ReleaseClaim(ctx, c) })
}

func (f *far) Enqueue(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
	return ask(ctx, f, func(m *memory.Backing) (backing.Outcome, error) { return m.Enqueue(ctx, w) })
}

func (f *far) Pass(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
	return ask(ctx, f, func(m *memory.Backing) (backing.Outcome, error) { return m.Pass(ctx, from, next, yield) })
}

func (f *far) RefreshAll(ctx context.Context, claims []backing.Claim) []backing.Refreshed {
	all, err := ask(ctx, f, func(m *memory.Backing) ([]backing.Refreshed, error) { return m.RefreshAll(ctx, claims), nil })
	if err != nil {
		all = make([]backing.Refreshed, len(claims))
		for i := range all {
			all[i].Err = err
		}
	}
	return all
}
