package backingtest

import (
	"context"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

// Mistakes of Pass.
var brokenPasses = []brokenBacking{
	{"Pass lets others in between", []rule{passMoves}, passed(func(m *memory.Backing, ctx context.Context, from string, next backing.Waiter, yield bool) (bool, backing.Standing, error) {
		if yield || holderOf(m, next.Key) != from {
			return m.Pass(ctx, from, next, yield)
		}
		_, _ = m.Release(ctx, next.Key, from)
		time.Sleep(aMoment)
		o, err := m.TryAcquire(ctx, next.Claim)
		return err == nil, backing.Standing{Grant: o}, err
	})},
	{"Pass answers false", []rule{passMoves}, passed(func(m *memory.Backing, ctx context.Context, from string, next backing.Waiter, yield bool) (bool, backing.Standing, error) {
		had := holderOf(m, next.Key) == from
		ok, s, err := m.Pass(ctx, from, next, yield)
		return ok && (!had || option.IsNone(s.Grant)), s, err
	})},
	{"Pass answers no grant", []rule{passGrants}, passed(func(m *memory.Backing, ctx context.Context, from string, next backing.Waiter, yield bool) (bool, backing.Standing, error) {
		ok, s, err := m.Pass(ctx, from, next, yield)
		s.Grant = option.None[backing.Grant]()
		return ok, s, err
	})},
	{"Pass leaves the lease as it was", []rule{passGrants}, passed(func(m *memory.Backing, ctx context.Context, from string, next backing.Waiter, yield bool) (bool, backing.Standing, error) {
		if next.TTL < long {
			next.TTL = long
		} else if holderOf(m, next.Key) == from && from == "a" {
			defer func() { _, _ = m.Refresh(ctx, backing.Claim{Key: next.Key, Holder: next.Holder, TTL: time.Second}) }()
		}
		return m.Pass(ctx, from, next, yield)
	})},
	{"Pass hands the old token on", []rule{tokensRise}, passed(func(m *memory.Backing, ctx context.Context, from string, next backing.Waiter, yield bool) (bool, backing.Standing, error) {
		ok, s, err := m.Pass(ctx, from, next, yield)
		s.Grant = option.Map(func(backing.Grant) backing.Grant { return backing.Grant{Token: 7} })(s.Grant)
		return ok, s, err
	})},
	{"a second Pass answers false", []rule{passAgain}, passed(func(m *memory.Backing, ctx context.Context, from string, next backing.Waiter, yield bool) (bool, backing.Standing, error) {
		if holderOf(m, next.Key) != from {
			return false, backing.Standing{}, ctx.Err()
		}
		return m.Pass(ctx, from, next, yield)
	})},
	{"a second Pass is a new grant", []rule{passAgain}, passed(func(m *memory.Backing, ctx context.Context, from string, next backing.Waiter, yield bool) (bool, backing.Standing, error) {
		before := holderOf(m, next.Key)
		ok, s, err := m.Pass(ctx, from, next, yield)
		if ok && before == next.Holder {
			_, _ = m.Release(ctx, next.Key, next.Holder)
			s.Grant, err = m.TryAcquire(ctx, next.Claim)
		}
		return ok, s, err
	})},
	{"a second Pass answers false when the claimant has let go", []rule{passLater}, passed(func(m *memory.Backing, ctx context.Context, from string, next backing.Waiter, yield bool) (bool, backing.Standing, error) {
		free := holderOf(m, next.Key) == ""
		ok, s, err := m.Pass(ctx, from, next, yield)
		return ok && !free, s, err
	})},
	{"a second Pass is a new grant when the claimant has let go", []rule{passLater}, passed(func(m *memory.Backing, ctx context.Context, from string, next backing.Waiter, yield bool) (bool, backing.Standing, error) {
		free := holderOf(m, next.Key) == ""
		ok, s, err := m.Pass(ctx, from, next, yield)
		if ok && free {
			s.Grant, err = m.TryAcquire(ctx, next.Claim)
		}
		return ok, s, err
	})},
	{"Pass takes the key from anybody", []rule{passElse}, passed(func(m *memory.Backing, ctx context.Context, from string, next backing.Waiter, yield bool) (bool, backing.Standing, error) {
		if h := holderOf(m, next.Key); h != "" {
			from = h
		}
		return m.Pass(ctx, from, next, yield)
	})},
	{"Pass takes a free key", []rule{passElse}, passed(func(m *memory.Backing, ctx context.Context, from string, next backing.Waiter, yield bool) (bool, backing.Standing, error) {
		ok, s, err := m.Pass(ctx, from, next, yield)
		if !ok && err == nil {
			_, err = m.TryAcquire(ctx, next.Claim)
		}
		return ok, s, err
	})},
	{"Pass takes it for a repeat that the claimant has the key", []rule{passElse}, passed(func(m *memory.Backing, ctx context.Context, from string, next backing.Waiter, yield bool) (bool, backing.Standing, error) {
		if holderOf(m, next.Key) == next.Holder {
			o, err := m.TryAcquire(ctx, next.Claim)
			return err == nil, backing.Standing{Grant: o}, err
		}
		return m.Pass(ctx, from, next, yield)
	})},
	{"Pass never yields", []rule{passYields}, passed(func(m *memory.Backing, ctx context.Context, from string, next backing.Waiter, _ bool) (bool, backing.Standing, error) {
		return m.Pass(ctx, from, next, false)
	})},
	{"Pass always yields", []rule{passMoves}, passed(func(m *memory.Backing, ctx context.Context, from string, next backing.Waiter, _ bool) (bool, backing.Standing, error) {
		return m.Pass(ctx, from, next, true)
	})},
	{"who yields is not in line", []rule{passYields}, passed(func(m *memory.Backing, ctx context.Context, from string, next backing.Waiter, yield bool) (bool, backing.Standing, error) {
		ok, s, err := m.Pass(ctx, from, next, yield)
		if ok && option.IsNone(s.Grant) {
			_, err = m.Release(ctx, next.Key, next.Holder)
		}
		return ok, s, err
	})},
	{"Pass ignores an ended context", []rule{endedContext}, passed(func(m *memory.Backing, ctx context.Context, from string, next backing.Waiter, yield bool) (bool, backing.Standing, error) {
		ok, s, _ := m.Pass(context.WithoutCancel(ctx), from, next, yield)
		return ok, s, ctx.Err()
	})},
	{"a store without a queue passes a key though it should yield", []rule{yieldUnheard}, func(m *memory.Backing) backing.Backing {
		return queueless{m, m.Pass}
	}},
	{"a store without a queue does not let go of a key to yield", []rule{yieldUnheard}, func(m *memory.Backing) backing.Backing {
		return queueless{m, func(ctx context.Context, from string, next backing.Waiter, yield bool) (bool, backing.Standing, error) {
			if yield {
				return false, backing.Standing{}, ctx.Err()
			}
			return m.Pass(ctx, from, next, false)
		}}
	}},
}

func passed(pass func(m *memory.Backing, ctx context.Context, from string, next backing.Waiter, yield bool) (bool, backing.Standing, error)) func(*memory.Backing) backing.Backing {
	return func(m *memory.Backing) backing.Backing {
		return able{Backing: m, pass: func(ctx context.Context, from string, next backing.Waiter, yield bool) (bool, backing.Standing, error) {
			return pass(m, ctx, from, next, yield)
		}}
	}
}

// A queueless backing can pass a key on, and nothing else beside the five operations.
type queueless struct {
	backing.Backing
	pass passing
}

func (q queueless) Pass(ctx context.Context, from string, next backing.Waiter, yield bool) (bool, backing.Standing, error) {
	return q.pass(ctx, from, next, yield)
}
