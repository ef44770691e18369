package effect_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/schedule"
)

// operator is one of the ways to make a program: of how many programs, and how.
type operator struct {
	arity int
	of    func(r runner, n *node, kids []eff) eff
}

func leaf(f func(n *node, ctx context.Context) (int, error)) operator {
	return operator{0, func(_ runner, n *node, _ []eff) eff {
		return func(ctx context.Context) (int, error) { return f(n, ctx) }
	}}
}

func unary(f effect.Operator[int, int]) operator {
	return operator{1, func(_ runner, _ *node, kids []eff) eff { return f(kids[0]) }}
}

func binary(f func(first, second eff) eff) operator {
	return operator{2, func(_ runner, _ *node, kids []eff) eff { return f(kids[0], kids[1]) }}
}

func many(arity int, f func(...eff) eff) operator {
	return operator{arity, func(_ runner, _ *node, kids []eff) eff { return f(kids...) }}
}

// sequential programs run in the order in which they are written, and so have a model.
var (
	leaves = map[string]operator{
		"succeed": leaf(func(n *node, _ context.Context) (int, error) { return n.id, nil }),
		"fail":    leaf(func(n *node, _ context.Context) (int, error) { return 0, &mark{fmt.Sprint("fail ", n.id)} }),
		"failOdd": leaf(func(n *node, _ context.Context) (int, error) {
			return 0, fmt.Errorf("wrapped: %w", &odd{mark{fmt.Sprint("odd ", n.id)}})
		}),
		"panic":    leaf(func(n *node, _ context.Context) (int, error) { panic(fmt.Sprint("panic ", n.id)) }),
		"nilPanic": leaf(func(*node, context.Context) (int, error) { panic(nil) }),
		"goexit":   leaf(func(_ *node, ctx context.Context) (int, error) { return goexit[int](ctx) }),
		"wait":     leaf(func(_ *node, ctx context.Context) (int, error) { return untilCancelled[int](ctx) }),
		"sleep": leaf(func(n *node, ctx context.Context) (int, error) {
			return effect.As[effect.Void](n.id)(effect.Sleep(sleeps))(ctx)
		}),
		"stubborn": leaf(func(n *node, _ context.Context) (int, error) { time.Sleep(ignores); return n.id, nil }),
	}
	sequential = map[string]operator{
		"then":     binary(func(a, b eff) eff { return effect.FlatMap(func(int) eff { return b })(a) }),
		"catchAll": binary(func(a, b eff) eff { return effect.CatchAll(func(error) eff { return b })(a) }),
		"catchOdd": binary(func(a, b eff) eff { return effect.CatchTag(func(*odd) eff { return b })(a) }),
		"orElse":   binary(func(a, b eff) eff { return effect.OrElse(b)(a) }),
		"tapError": binary(func(a, b eff) eff {
			return effect.TapError[int](func(error) effect.Effect[effect.Void] { return effect.As[int](effect.Void{})(b) })(a)
		}),
		"mapError":     unary(effect.MapError[int](func(err error) error { return fmt.Errorf("mapped: %w", err) })),
		"retry":        unary(effect.Retry[int](schedule.Recurs(2))),
		"timeout":      unary(effect.Timeout[int](100 * time.Hour)),
		"join":         unary(joinedWithoutCancel),
		"raceOne":      many(1, effect.Race[int]),
		"raceFirstOne": many(1, effect.RaceFirst[int]),
		"allOne":       many(1, func(effs ...eff) eff { return head(effect.All(0, effs...)) }),
		"run":          unary(func(a eff) eff { return func(ctx context.Context) (int, error) { return effect.Run(ctx, a) } }),
		"attempt":      unary(func(a eff) eff { return effect.Absolve(effect.Attempt(a)) }),
		"ignore":       {1, func(_ runner, n *node, kids []eff) eff { return effect.As[effect.Void](n.id)(effect.Ignore(kids[0])) }},
		"scoped":       {1, runner.scoped},
		"acquire":      {1, runner.scoped},
		"resources":    {1, runner.resources},
		"use":          {1, runner.finalized},
		"onExit":       {1, runner.finalized},
		"ensuring":     {1, runner.finalized},
	}
	concurrent = map[string]operator{
		"race":              many(3, effect.Race[int]),
		"raceFirst":         many(2, effect.RaceFirst[int]),
		"all":               many(3, func(effs ...eff) eff { return head(effect.All(0, effs...)) }),
		"all two at a time": many(3, func(effs ...eff) eff { return head(effect.All(2, effs...)) }),
		"zipPar":            binary(func(a, b eff) eff { return effect.ZipPar(b, func(a, b int) int { return a + b })(a) }),
		"partition":         many(3, partitioned),
		"validate":          many(3, validated),
		"fork":              binary(func(a, b eff) eff { return effect.ZipRight[*effect.Fiber[int]](b)(effect.Fork(a)) }),
		"timeout soon":      unary(effect.Timeout[int](sleeps / 3)),
		"join soon":         unary(joined[int]),
		"interrupt": unary(func(a eff) eff {
			return effect.FlatMap(func(f *effect.Fiber[int]) eff {
				return func(ctx context.Context) (int, error) {
					exit, err := f.Interrupt()(context.WithoutCancel(ctx))
					if err != nil {
						return 0, err
					}
					n, _ := exit.Value()
					return n, exit.Err()
				}
			})(effect.Fork(a))
		}),
	}
	leafNames = slices.Sorted(maps.Keys(leaves))
)

// runner turns a node into the effect that it describes.
type runner struct{ notes *notes }

func (r runner) effect(n *node) eff {
	kids := make([]eff, len(n.kids))
	for i, kid := range n.kids {
		kids[i] = r.effect(kid)
	}
	effect := n.of(r, n, kids)
	return func(ctx context.Context) (int, error) {
		r.notes.running.Add(1)
		defer r.notes.running.Add(-1)
		return effect(ctx)
	}
}

// finalized runs work, and after it the finalizer of n.
func (r runner) finalized(n *node, kids []eff) eff {
	return func(ctx context.Context) (int, error) {
		end := r.notes.register(n.finalizers[0], nil)
		switch n.op {
		case "ensuring":
			return effect.Ensuring[int](func(ctx context.Context) (effect.Void, error) { return end("some exit")(ctx) })(kids[0])(ctx)
		case "onExit":
			return effect.OnExit(func(e effect.Exit[int]) effect.Effect[effect.Void] { return end(describe(e)) })(kids[0])(ctx)
		}
		release := func(_ int, e effect.Exit[any]) effect.Effect[effect.Void] { return end(describe(e)) }
		return effect.AcquireUseRelease(effect.Succeed(n.id), func(int) eff { return kids[0] }, release)(ctx)
	}
}

// scoped registers the finalizers of n in a scope, and runs work.
func (r runner) scoped(n *node, kids []eff) eff {
	return effect.Scoped(func(s *effect.Scope) eff {
		return func(ctx context.Context) (int, error) {
			of := r.notes.scope()
			for _, f := range n.finalizers {
				end := r.notes.register(f, of)
				release := func(_ int, e effect.Exit[any]) effect.Effect[effect.Void] { return end(describe(e)) }
				var err error
				if n.op == "acquire" {
					_, err = effect.AcquireRelease(effect.Succeed(f.id), release)(s)(ctx)
				} else {
					_, err = s.AddFinalizer(func(e effect.Exit[any]) effect.Effect[effect.Void] { return release(0, e) })(ctx)
				}
				if err != nil {
					return 0, err
				}
			}
			return kids[0](ctx)
		}
	})
}

// resources acquires a resource for each finalizer of n, and uses them in work.
func (r runner) resources(n *node, kids []eff) eff {
	type ending = func(exit string) effect.Effect[effect.Void]
	return func(ctx context.Context) (int, error) {
		of := r.notes.scope()
		opening := func(f cleanup) effect.Resource[ending] {
			return effect.AcquireRelease(
				func(context.Context) (ending, error) { return r.notes.register(f, of), nil },
				func(end ending, e effect.Exit[any]) effect.Effect[effect.Void] { return end(describe(e)) })
		}
		all := opening(n.finalizers[0])
		for _, f := range n.finalizers[1:] {
			all = effect.Then(func(ending) effect.Resource[ending] { return opening(f) })(all)
		}
		return effect.Use(func(ending) eff { return kids[0] })(all)(ctx)
	}
}
