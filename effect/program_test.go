package effect_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/schedule"
)

// node is a generated program: an operator, and the programs it is applied to.
type node struct {
	op         string
	id         int
	finalizers []late
	kids       []*node
}

// late is a generated finalizer.
type late struct {
	id   int
	does string // what it does besides being noted
}

func (n *node) String() string {
	s := fmt.Sprintf("%s-%d", n.op, n.id)
	if len(n.finalizers) > 0 {
		s += fmt.Sprint(n.finalizers)
	}
	if len(n.kids) > 0 {
		kids := make([]string, len(n.kids))
		for i, kid := range n.kids {
			kids[i] = kid.String()
		}
		s += "(" + strings.Join(kids, ", ") + ")"
	}
	return s
}

// GoString is how rapid prints a program.
func (n *node) GoString() string { return n.String() }

// arity is how many programs an operator takes; sequential ones run in the
// order that is written, and so have a model.
var (
	leaves     = map[string]int{"succeed": 0, "fail": 0, "failOdd": 0, "panic": 0, "nilPanic": 0, "goexit": 0, "wait": 0, "sleep": 0, "stubborn": 0}
	sequential = map[string]int{
		"then": 2, "scoped": 1, "acquire": 1, "use": 1, "onExit": 1, "ensuring": 1, "catchAll": 2, "catchOdd": 2, "orElse": 2, "ignore": 1,
		"mapError": 1, "tapError": 2, "retry": 1, "timeout": 1, "join": 1, "raceOne": 1, "raceFirstOne": 1, "allOne": 1, "run": 1,
	}
	concurrent = map[string]int{"race": 3, "raceFirst": 2, "all": 3, "all two at a time": 3, "fork": 2, "interrupt": 1, "timeout soon": 1, "join soon": 1}
)

// programs draws programs of the operators in ops.
func programs(ops ...map[string]int) *rapid.Generator[*node] {
	arity := map[string]int{}
	var names []string
	for _, some := range append(ops, leaves) {
		maps.Copy(arity, some)
	}
	for op := range arity {
		names = append(names, op)
	}
	return rapid.Custom(func(t *rapid.T) *node {
		id := 0
		var draw func(depth int) *node
		draw = func(depth int) *node {
			id++
			n := &node{id: id}
			from := names
			if depth == 0 {
				from = leafNames
			}
			n.op = rapid.SampledFrom(sorted(from)).Draw(t, "op")
			most := map[string]int{"scoped": 4, "acquire": 4, "use": 1, "onExit": 1, "ensuring": 1}[n.op]
			for range rapid.IntRange(min(1, most), most).Draw(t, "finalizers") {
				id++
				does := rapid.SampledFrom([]string{"nothing", "nothing", "fail", "panic", "panic at once", "goexit", "outlast"}).Draw(t, "finalizer")
				n.finalizers = append(n.finalizers, late{id, does})
			}
			for range arity[n.op] {
				n.kids = append(n.kids, draw(depth-1))
			}
			return n
		}
		return draw(4)
	})
}

// mark is a failure with a name.
type mark struct{ name string }

func (m *mark) Error() string { return m.name }

// odd is a mark that catchOdd recovers from.
type odd struct{ mark }

// labels lists what an error holds, but for the ends of contexts.
func labels(err error) (names []string) {
	switch e := err.(type) { //nolint:errorlint // it walks the tree itself
	case nil:
	case *mark:
		names = append(names, e.name)
	case *odd:
		names = append(names, e.name)
	case *effect.Defect:
		if e.Value == effect.ErrGoexit {
			names = append(names, "goexit")
		} else {
			names = append(names, fmt.Sprint(e.Value))
		}
		names = append(names, labels(e.Finalizers)...)
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			names = append(names, labels(one)...)
		}
	default:
		names = append(names, labels(errors.Unwrap(err))...)
	}
	return names
}

// runner turns a node into the effect that it describes.
type runner struct{ notes *notes }

func (r runner) effect(n *node) effect.Effect[int] {
	kid := func(i int) effect.Effect[int] { return r.effect(n.kids[i]) }
	kids := func() (effs []effect.Effect[int]) {
		for i := range n.kids {
			effs = append(effs, kid(i))
		}
		return effs
	}
	return r.counted(func(ctx context.Context) (int, error) {
		switch n.op {
		case "fail":
			return 0, &mark{fmt.Sprint("fail ", n.id)}
		case "failOdd":
			return 0, fmt.Errorf("wrapped: %w", &odd{mark{fmt.Sprint("odd ", n.id)}})
		case "panic":
			panic(fmt.Sprint("panic ", n.id))
		case "nilPanic":
			panic(nil)
		case "goexit":
			return goexit[int](ctx)
		case "wait":
			return untilCancelled[int](ctx)
		case "sleep":
			return effect.As[effect.Void](n.id)(effect.Sleep(sleeps))(ctx)
		case "stubborn":
			time.Sleep(ignores)
			return n.id, nil
		case "then":
			return effect.FlatMap(func(int) effect.Effect[int] { return kid(1) })(kid(0))(ctx)
		case "scoped", "acquire":
			return effect.Scoped(func(s *effect.Scope) effect.Effect[int] { return r.within(s, n, kid(0)) })(ctx)
		case "onExit":
			end := r.notes.register(n.finalizers[0], nil)
			return effect.OnExit(func(e effect.Exit[int]) effect.Effect[effect.Void] { return end(describe(e)) })(kid(0))(ctx)
		case "ensuring":
			end := r.notes.register(n.finalizers[0], nil)
			return effect.Ensuring[int](func(ctx context.Context) (effect.Void, error) { return end("some exit")(ctx) })(kid(0))(ctx)
		case "use":
			end := r.notes.register(n.finalizers[0], nil)
			release := func(_ int, e effect.Exit[any]) effect.Effect[effect.Void] { return end(describe(e)) }
			return effect.AcquireUseRelease(effect.Succeed(n.id), func(int) effect.Effect[int] { return kid(0) }, release)(ctx)
		case "catchAll":
			return effect.CatchAll(func(error) effect.Effect[int] { return kid(1) })(kid(0))(ctx)
		case "catchOdd":
			return effect.CatchTag(func(*odd) effect.Effect[int] { return kid(1) })(kid(0))(ctx)
		case "orElse":
			return effect.OrElse(kid(1))(kid(0))(ctx)
		case "ignore":
			return effect.As[effect.Void](n.id)(effect.Ignore(kid(0)))(ctx)
		case "mapError":
			return effect.MapError[int](func(err error) error { return fmt.Errorf("mapped: %w", err) })(kid(0))(ctx)
		case "tapError":
			return effect.TapError[int](func(error) effect.Effect[effect.Void] { return effect.As[int](effect.Void{})(kid(1)) })(kid(0))(ctx)
		case "retry":
			return effect.Retry[int](schedule.Recurs(2))(kid(0))(ctx)
		case "timeout":
			return effect.Timeout[int](100 * time.Hour)(kid(0))(ctx)
		case "timeout soon":
			return effect.Timeout[int](sleeps / 3)(kid(0))(ctx)
		case "join":
			return joinedWithoutCancel(kid(0))(ctx)
		case "join soon":
			return joined(kid(0))(ctx)
		case "race", "raceOne":
			return effect.Race(kids()...)(ctx)
		case "raceFirst", "raceFirstOne":
			return effect.RaceFirst(kids()...)(ctx)
		case "all", "allOne":
			return head(effect.All(0, kids()...))(ctx)
		case "all two at a time":
			return head(effect.All(2, kids()...))(ctx)
		case "run":
			return effect.Run(ctx, kid(0))
		case "fork":
			return effect.ZipRight[*effect.Fiber[int]](kid(1))(effect.Fork(kid(0)))(ctx)
		case "interrupt":
			fiber, err := effect.Fork(kid(0))(ctx)
			if err != nil {
				return 0, err
			}
			exit, err := fiber.Interrupt()(context.WithoutCancel(ctx))
			if err != nil {
				return 0, err
			}
			n, _ := exit.Value()
			return n, exit.Err()
		}
		return n.id, nil
	})
}

// within registers the finalizers of n in s, and runs work.
func (r runner) within(s *effect.Scope, n *node, work effect.Effect[int]) effect.Effect[int] {
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
		return work(ctx)
	}
}

// counted notes how many nodes are running.
func (r runner) counted(eff effect.Effect[int]) effect.Effect[int] {
	return func(ctx context.Context) (int, error) {
		r.notes.running.Add(1)
		defer r.notes.running.Add(-1)
		return eff(ctx)
	}
}
