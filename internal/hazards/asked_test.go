package hazards_test

import (
	"context"
	"sync"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis"
)

// asked is a backing that counts what it is asked for, by the names that errors
// have for it.
type asked struct {
	*redis.Backing

	mu    sync.Mutex
	count map[string]int
}

func (a *asked) TryAcquire(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
	a.note("tryAcquire")
	return a.Backing.TryAcquire(ctx, c)
}

func (a *asked) Abilities() backing.Abilities {
	return backing.Abilities{Of: a, Queue: a, Passer: a, Batcher: a.Backing, Releaser: a}
}

func (a *asked) Enqueue(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
	a.note("tryAcquire")
	return a.Backing.Enqueue(ctx, w)
}

func (a *asked) Release(ctx context.Context, key, holder string) (bool, error) {
	a.note("release")
	return a.Backing.Release(ctx, key, holder)
}

func (a *asked) ReleaseClaim(ctx context.Context, c backing.Claim) (backing.Released, error) {
	a.note("release")
	return a.Backing.ReleaseClaim(ctx, c)
}

func (a *asked) Pass(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
	a.note("release")
	return a.Backing.Pass(ctx, from, next, yield)
}

func (a *asked) note(operation string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.count == nil {
		a.count = map[string]int{}
	}
	a.count[operation]++
}

// so returns how often it was asked since the last call, and starts anew.
func (a *asked) since() map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	count := a.count
	a.count = nil
	return count
}
