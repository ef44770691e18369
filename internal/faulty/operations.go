package faulty

import (
	"context"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
)

var _ interface {
	backing.Able
	backing.Queue
	backing.Passer
	backing.Batcher
	backing.Releaser
} = (*Store)(nil)

// TryAcquire implements [backing.Backing].
func (s *Store) TryAcquire(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
	return send(ctx, s, Request{Op: TryAcquire, Claim: c}, func(ctx context.Context, _ Fault) (option.Option[backing.Grant], error) {
		return s.memory.TryAcquire(ctx, c)
	})
}

// Refresh implements [backing.Backing].
func (s *Store) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	return send(ctx, s, Request{Op: Refresh, Claim: c}, func(ctx context.Context, _ Fault) (bool, error) {
		return s.memory.Refresh(ctx, c)
	})
}

// RefreshAll implements [backing.Batcher]. A fault concerns all claims.
func (s *Store) RefreshAll(ctx context.Context, cs []backing.Claim) []backing.Refreshed {
	all, err := send(ctx, s, Request{Op: RefreshAll, Claims: cs}, func(ctx context.Context, _ Fault) ([]backing.Refreshed, error) {
		return s.memory.RefreshAll(ctx, cs), nil
	})
	if err != nil {
		all = make([]backing.Refreshed, len(cs))
		for i := range all {
			all[i].Err = err
		}
	}
	return all
}

// Release implements [backing.Backing].
func (s *Store) Release(ctx context.Context, key, holder string) (bool, error) {
	c := backing.Claim{Key: key, Holder: holder}
	return send(ctx, s, Request{Op: Release, Claim: c}, func(ctx context.Context, _ Fault) (bool, error) {
		return s.memory.Release(ctx, key, holder)
	})
}

// ReleaseClaim implements [backing.Releaser].
func (s *Store) ReleaseClaim(ctx context.Context, c backing.Claim) (backing.Released, error) {
	return send(ctx, s, Request{Op: Release, Claim: c}, func(ctx context.Context, _ Fault) (backing.Released, error) {
		return s.memory.ReleaseClaim(ctx, c)
	})
}

// IsLocked implements [backing.Backing].
func (s *Store) IsLocked(ctx context.Context, key string) (bool, error) {
	return send(ctx, s, Request{Op: IsLocked, Claim: backing.Claim{Key: key}}, func(ctx context.Context, _ Fault) (bool, error) {
		return s.memory.IsLocked(ctx, key)
	})
}

// GetHolder implements [backing.Backing].
func (s *Store) GetHolder(ctx context.Context, key string) (option.Option[string], error) {
	return send(ctx, s, Request{Op: GetHolder, Claim: backing.Claim{Key: key}}, func(ctx context.Context, _ Fault) (option.Option[string], error) {
		return s.memory.GetHolder(ctx, key)
	})
}

// Enqueue implements [backing.Queue].
func (s *Store) Enqueue(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
	return send(ctx, s, Request{Op: Enqueue, Claim: w.Claim}, func(ctx context.Context, _ Fault) (backing.Outcome, error) {
		return s.memory.Enqueue(ctx, s.through(w))
	})
}

// Pass implements [backing.Passer].
func (s *Store) Pass(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
	return send(ctx, s, Request{Op: Pass, Claim: from, Next: next.Claim}, func(ctx context.Context, f Fault) (backing.Outcome, error) {
		return s.memory.Pass(ctx, from, s.through(next), yield || f.Yield)
	})
}

// through makes the wake-ups of a waiter arrive as planned.
func (s *Store) through(w backing.Waiter) backing.Waiter {
	s.mu.Lock()
	waking := s.waking
	s.mu.Unlock()
	if waking == nil {
		return w
	}
	wake, stray := w.Wake, s.memory.stray(w.Wake)
	w.Wake = func() {
		plan := waking(w.Holder)
		for _, d := range plan.After {
			after(d, wake)
		}
		for _, d := range plan.Stray {
			time.AfterFunc(d, stray)
		}
	}
	return w
}

func after(d time.Duration, wake func()) {
	if d == 0 {
		wake()
		return
	}
	time.AfterFunc(d, wake)
}
