package backingtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/effectlock/effectlock/backing"
)

// A variant is a sound backing with some operations replaced.
type variant struct {
	backing.Backing
	tryAcquire func(context.Context, backing.Claim) (grantOption, error)
}

func (v variant) TryAcquire(ctx context.Context, c backing.Claim) (grantOption, error) {
	if v.tryAcquire != nil {
		return v.tryAcquire(ctx, c)
	}
	return v.Backing.TryAcquire(ctx, c)
}

// record is a set that cases may share between goroutines.
type record struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (r *record) add(key, holder string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[string]bool{}
	}
	r.seen[fmt.Sprintf("%q %q", key, holder)] = true
}

func (r *record) has(key, holder string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[fmt.Sprintf("%q %q", key, holder)]
}

func (r *record) remove(key, holder string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.seen, fmt.Sprintf("%q %q", key, holder))
}

var errStore = errors.New("the store is tired")

const aMoment = time.Millisecond
