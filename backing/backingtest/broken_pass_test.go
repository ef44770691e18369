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
	{"Pass lets others in between", []rule{passMoves}, func(m *memory.Backing) backing.Backing {
		var before record
		return passed(func(s *remembering, ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
			step := from.Holder + ">" + next.Holder
			switch has := holderOf(m, next.Key); {
			case before.has(next.Key, step) && has == next.Holder:
				return resumed(ctx, m, next)
			case before.has(next.Key, step):
				return backing.MustPoll{}, ctx.Err()
			case yield, ctx.Err() != nil, has != from.Holder, from.Holder == next.Holder, s.released.has(next.Key, next.Holder):
				return m.Pass(ctx, from, next, yield)
			}
			before.add(next.Key, step)
			_, _ = m.ReleaseClaim(ctx, from)
			time.Sleep(aMoment)
			o, err := m.TryAcquire(ctx, next.Claim)
			if g, ok := option.Unwrap(o); ok {
				return backing.Granted{Grant: g}, err
			}
			return backing.MustPoll{}, err
		})(m)
	}},
	{"Pass is refused", []rule{passMoves}, passed(func(m *remembering, ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
		o, err := m.Pass(ctx, from, next, yield)
		if g, ok := o.(backing.Granted); ok && !g.Resumed {
			return backing.Refused{}, err
		}
		return o, err
	})},
	{"Pass answers no grant", []rule{passGrants}, passed(func(m *remembering, ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
		o, err := m.Pass(ctx, from, next, yield)
		if g, ok := o.(backing.Granted); ok && !g.Resumed {
			return backing.MustPoll{}, err
		}
		return o, err
	})},
	{"Pass answers nothing", []rule{noAnswer}, passed(func(m *remembering, ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
		_, err := m.Pass(ctx, from, next, yield)
		return nil, err
	})},
	{"Pass says that the grant is an old one", []rule{passGrants}, passed(func(m *remembering, ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
		o, err := m.Pass(ctx, from, next, yield)
		if g, ok := o.(backing.Granted); ok {
			g.Resumed = true
			return g, err
		}
		return o, err
	})},
	{"Pass leaves the lease as it was", []rule{passGrants}, passed(func(m *remembering, ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
		if next.TTL < long {
			next.TTL = long
		} else if holderOf(m, next.Key) == from.Holder && from.Holder == "a" && from.Attempt == "" {
			defer func() { _, _ = m.Refresh(ctx, backing.Claim{Key: next.Key, Holder: next.Holder, TTL: time.Second}) }()
		}
		return m.Pass(ctx, from, next, yield)
	})},
	{"Pass hands the old token on", []rule{tokensRise}, passed(func(m *remembering, ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
		o, err := m.Pass(ctx, from, next, yield)
		if g, ok := o.(backing.Granted); ok {
			g.Token = 7
			return g, err
		}
		return o, err
	})},
	{"a second Pass gives a lower token", []rule{tokenKeeps}, passed(func(m *remembering, ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
		o, err := m.Pass(ctx, from, next, yield)
		if g, ok := o.(backing.Granted); ok && g.Resumed {
			g.Token--
			return g, err
		}
		return o, err
	})},
	{"one that has passed the key on has not released it", []rule{passReleases}, func(m *memory.Backing) backing.Backing {
		var before record
		return &able{
			Backing: m,
			pass: func(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
				o, err := m.Pass(ctx, from, next, yield)
				if _, granted := o.(backing.Granted); granted {
					before.add(from.Key, from.Holder)
				}
				return o, err
			},
			release: func(ctx context.Context, key, holder string) (bool, error) {
				had := holderOf(m, key) == holder
				ok, err := m.Release(ctx, key, holder)
				return ok && (had || !before.has(key, holder)), err
			},
			releaseClaim: func(ctx context.Context, c backing.Claim) (backing.Released, error) {
				found, err := m.ReleaseClaim(ctx, c)
				if found == backing.FreedEarlier && before.has(c.Key, c.Holder) {
					found = backing.NotHeld
				}
				return found, err
			},
		}
	}},
	{"a second Pass is refused", []rule{passAgain}, passed(func(m *remembering, ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
		if holderOf(m, next.Key) != from.Holder {
			return backing.Refused{}, ctx.Err()
		}
		return m.Pass(ctx, from, next, yield)
	})},
	{"a second Pass is refused when the claimant has let go", []rule{passAgain}, passed(func(m *remembering, ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
		free := holderOf(m, next.Key) == ""
		o, err := m.Pass(ctx, from, next, yield)
		if free && err == nil {
			return backing.Refused{}, nil
		}
		return o, err
	})},
	{"a second Pass is a grant when the claimant has let go", []rule{passAgain}, passed(func(m *remembering, ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
		free := holderOf(m, next.Key) == ""
		o, err := m.Pass(ctx, from, next, yield)
		if _, polls := o.(backing.MustPoll); polls && free {
			return backing.Granted{}, err
		}
		return o, err
	})},
	{"Pass takes the key from anybody", []rule{passElse}, passed(func(m *remembering, ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
		if h := holderOf(m, next.Key); h != "" && h != from.Holder && h != next.Holder && !yield {
			from.Holder = h
		}
		return m.Pass(ctx, from, next, yield)
	})},
	{"Pass takes a free key", []rule{passElse}, passed(func(m *remembering, ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
		o, err := m.Pass(ctx, from, next, yield)
		if _, refused := o.(backing.Refused); refused {
			_, err = m.TryAcquire(ctx, next.Claim)
		}
		return o, err
	})},
	{"Pass takes it for a repeat that the claimant has the key", []rule{passElse}, passed(func(m *remembering, ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
		if holderOf(m, next.Key) == next.Holder && from.Holder != next.Holder {
			return resumed(ctx, m.Backing, next)
		}
		return m.Pass(ctx, from, next, yield)
	})},
	{"Pass takes it for a repeat that the holder was released", []rule{passElse}, passed(func(m *remembering, ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
		o, err := m.Pass(ctx, from, next, yield)
		if _, refused := o.(backing.Refused); refused && m.released.has(from.Key, from.Holder) {
			return backing.MustPoll{}, err
		}
		return o, err
	})},
	{"Pass gives the key to one that has left", []rule{passToReleased}, passed(func(m *remembering, ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
		if m.released.has(next.Key, next.Holder) && holderOf(m, next.Key) == from.Holder {
			next.Attempt = "unknown"
		}
		return m.Pass(ctx, from, next, yield)
	})},
	{"Pass to one that has left is refused", []rule{passToReleased}, passed(func(m *remembering, ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
		if m.released.has(next.Key, next.Holder) && holderOf(m, next.Key) == from.Holder {
			return backing.Refused{}, ctx.Err()
		}
		return m.Pass(ctx, from, next, yield)
	})},
	{"Pass never yields", []rule{passYields}, passed(func(m *remembering, ctx context.Context, from backing.Claim, next backing.Waiter, _ bool) (backing.Outcome, error) {
		return m.Pass(ctx, from, next, false)
	})},
	{"Pass always yields", []rule{passMoves}, passed(func(m *remembering, ctx context.Context, from backing.Claim, next backing.Waiter, _ bool) (backing.Outcome, error) {
		return m.Pass(ctx, from, next, true)
	})},
	{"one that yields is not in line", []rule{passYields, passAgain}, passed(func(m *remembering, ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
		o, err := m.Pass(ctx, from, next, yield)
		if _, queued := o.(backing.Queued); queued {
			_, err = m.Release(ctx, next.Key, next.Holder)
		}
		return o, err
	})},
	{"Pass ignores an ended context", []rule{endedContext}, passed(func(m *remembering, ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
		o, _ := m.Pass(context.WithoutCancel(ctx), from, next, yield)
		return o, ctx.Err()
	})},
	{"a store without a queue passes a key though it should yield", []rule{yieldPolls}, func(m *memory.Backing) backing.Backing {
		return &queueless{m, m.Pass}
	}},
	{"a store without a queue does not let go of a key to yield", []rule{yieldPolls}, func(m *memory.Backing) backing.Backing {
		return &queueless{m, func(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
			if yield {
				return backing.Refused{}, ctx.Err()
			}
			return m.Pass(ctx, from, next, false)
		}}
	}},
}

func passed(pass func(m *remembering, ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error)) func(*memory.Backing) backing.Backing {
	return func(m *memory.Backing) backing.Backing {
		r := &remembering{Backing: m}
		return &able{
			Backing: m,
			pass: func(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
				return pass(r, ctx, from, next, yield)
			},
			release: func(ctx context.Context, key, holder string) (bool, error) {
				r.released.add(key, holder)
				return m.Release(ctx, key, holder)
			},
			releaseClaim: func(ctx context.Context, c backing.Claim) (backing.Released, error) {
				r.released.add(c.Key, c.Holder)
				return m.ReleaseClaim(ctx, c)
			},
		}
	}
}

// remembering knows who was asked to be released.
type remembering struct {
	*memory.Backing
	released record
}

// resumed is the grant that the holder of a key has.
func resumed(ctx context.Context, m *memory.Backing, w backing.Waiter) (backing.Outcome, error) {
	o, err := m.TryAcquire(ctx, w.Claim)
	return backing.Granted{Grant: option.GetOrElse(func() backing.Grant { return backing.Grant{} })(o)}, err
}

// A queueless backing can pass a key on, and nothing else beside the five operations.
type queueless struct {
	backing.Backing
	pass passing
}

func (q *queueless) Abilities() backing.Abilities { return backing.Abilities{Of: q, Passer: q} }

func (q *queueless) Pass(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
	return q.pass(ctx, from, next, yield)
}
