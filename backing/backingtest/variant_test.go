package backingtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

// A variant is a sound backing with some operations replaced.
type variant struct {
	backing.Backing
	tryAcquire func(context.Context, backing.Claim) (option.Option[backing.Grant], error)
	refresh    func(context.Context, backing.Claim) (bool, error)
	release    func(ctx context.Context, key, holder string) (bool, error)
	isLocked   func(ctx context.Context, key string) (bool, error)
	getHolder  func(ctx context.Context, key string) (option.Option[string], error)
}

func (v variant) TryAcquire(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
	if v.tryAcquire != nil {
		return v.tryAcquire(ctx, c)
	}
	return v.Backing.TryAcquire(ctx, c)
}

func (v variant) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	if v.refresh != nil {
		return v.refresh(ctx, c)
	}
	return v.Backing.Refresh(ctx, c)
}

func (v variant) Release(ctx context.Context, key, holder string) (bool, error) {
	if v.release != nil {
		return v.release(ctx, key, holder)
	}
	return v.Backing.Release(ctx, key, holder)
}

func (v variant) IsLocked(ctx context.Context, key string) (bool, error) {
	if v.isLocked != nil {
		return v.isLocked(ctx, key)
	}
	return v.Backing.IsLocked(ctx, key)
}

func (v variant) GetHolder(ctx context.Context, key string) (option.Option[string], error) {
	if v.getHolder != nil {
		return v.getHolder(ctx, key)
	}
	return v.Backing.GetHolder(ctx, key)
}

// holderOf is "" if nobody has the key.
func holderOf(m backing.Backing, key string) string {
	holder, _ := m.GetHolder(context.Background(), key)
	return option.GetOrElse(func() string { return "" })(holder)
}

// claimed changes the claim that TryAcquire and Refresh see.
func claimed(m *memory.Backing, change func(backing.Claim) backing.Claim) backing.Backing {
	return variant{
		Backing: m,
		tryAcquire: func(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
			return m.TryAcquire(ctx, change(c))
		},
		refresh: func(ctx context.Context, c backing.Claim) (bool, error) { return m.Refresh(ctx, change(c)) },
	}
}

// keyed changes the key that every operation sees.
func keyed(m *memory.Backing, change func(string) string) backing.Backing {
	v := claimed(m, func(c backing.Claim) backing.Claim {
		c.Key = change(c.Key)
		return c
	}).(variant)
	v.release = func(ctx context.Context, key, holder string) (bool, error) {
		return m.Release(ctx, change(key), holder)
	}
	v.isLocked = func(ctx context.Context, key string) (bool, error) { return m.IsLocked(ctx, change(key)) }
	v.getHolder = func(ctx context.Context, key string) (option.Option[string], error) {
		return m.GetHolder(ctx, change(key))
	}
	return v
}

// tokened changes the token of what TryAcquire grants.
func tokened(m *memory.Backing, change func(backing.Claim, backing.Grant) uint64) backing.Backing {
	return variant{Backing: m, tryAcquire: func(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
		o, err := m.TryAcquire(ctx, c)
		if g, ok := option.Unwrap(o); ok {
			o = option.Some(backing.Grant{Token: change(c, g), Resumed: g.Resumed})
		}
		return o, err
	}}
}

// attempts returns what makes each claim one of an acquisition of its own.
func attempts() func(backing.Claim) backing.Claim {
	var n atomic.Uint64
	return func(c backing.Claim) backing.Claim {
		c.Attempt = fmt.Sprint(n.Add(1))
		return c
	}
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
