package effect_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	F "github.com/IBM/fp-go/v2/function"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/schedule"
)

// inBubble runs f in virtual time, under a context that is cancelled after a
// second. A goroutine that f leaves behind fails the test.
func inBubble(t *testing.T, f func(ctx context.Context)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), inherited{}, "kept"))
		defer cancel(nil)
		time.AfterFunc(cancelled, func() { cancel(errCause) })
		f(ctx)
	})
}

// seen is the end of a program from its caller's point of view.
func seen(o outcome[int]) end {
	switch {
	case o.goexit:
		return end{way: "goexit", labels: []string{"goexit"}}
	case o.panicked != nil:
		if d, ok := o.panicked.(*effect.Defect); ok {
			return end{way: "panic", labels: labels(d), carried: true}
		}
		return end{way: "panic", labels: []string{fmt.Sprint(o.panicked)}}
	case o.err == nil:
		return end{way: "value", value: o.value}
	}
	return end{
		way: "error", value: o.value, labels: labels(o.err),
		interrupted: errors.Is(o.err, context.Canceled) && errors.Is(o.err, errCause),
		defect:      errors.As(o.err, new(*effect.Defect)),
	}
}

func TestASequentialProgramDoesWhatItsModelSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		program := programs(sequential).Draw(rt, "program")
		var want model
		wantEnd := want.run(program)

		var got notes
		var gotEnd end
		var took time.Duration
		inBubble(t, func(ctx context.Context) {
			start := time.Now()
			gotEnd = seen(observe(ctx, runner{&got}.effect(program)))
			took = time.Since(start)
		})
		require.Equal(rt, wantEnd, gotEnd)
		require.Equal(rt, want.log, got.log)
		require.Equal(rt, want.clock, took)
		require.Empty(rt, got.faults)
	})
}

func TestAnExitOfASequentialProgramIsWhatItsModelSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		program := programs(sequential).Draw(rt, "program")
		var want model
		wantEnd := want.run(program)
		var got string
		inBubble(t, func(ctx context.Context) {
			got = describe(awaited(t, ctx, runner{&notes{}}.effect(program)))
		})
		require.Equal(rt, wantEnd.String(), got)
	})
}

// TestWhateverRunsConcurrentlyIsCleanedUpBeforeTheProgramEnds holds for every
// program: each finalizer ran once, in order, with a live and bounded context,
// and nothing runs any more when the program ends.
func TestWhateverRunsConcurrentlyIsCleanedUpBeforeTheProgramEnds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		program := programs(sequential, concurrent, concurrent).Draw(rt, "program")
		var got notes
		var running int32
		inBubble(t, func(ctx context.Context) {
			observe(ctx, owners["Run"](runner{&got}.effect(program)))
			running = got.running.Load()
		})
		require.Zero(rt, running, "nodes that run on")
		require.Zero(rt, got.open, "finalizers that did not run")
		require.Empty(rt, got.faults)
	})
}

// A program whose leaves all wait to be cancelled ends with an interruption.
func TestNoRecoveryAnywhereTurnsACancellationIntoASuccess(t *testing.T) {
	t.Parallel()
	shapes := map[string]operator{}
	maps.Copy(shapes, sequential)
	maps.Copy(shapes, concurrent)
	for _, op := range []string{"fork", "interrupt", "timeout soon", "then"} { // which may end otherwise
		delete(shapes, op)
	}
	rapid.Check(t, func(rt *rapid.T) {
		program := waiting(programs(shapes).Draw(rt, "program"))
		var o outcome[int]
		inBubble(t, func(ctx context.Context) { o = observe(ctx, owners["Run"](runner{&notes{}}.effect(program))) })
		if o.goexit || o.panicked != nil || errors.As(o.err, new(*effect.Defect)) {
			return // because of a finalizer
		}
		require.ErrorIs(rt, o.err, context.Canceled)
		require.ErrorIs(rt, o.err, errCause)
	})
}

type (
	eff  = effect.Effect[int]
	from = effect.Kleisli[int, int]
)

func TestTheMonadLaws(t *testing.T) {
	t.Parallel()
	double, next := func(n int) int { return 2 * n }, func(n int) int { return n + 1 }
	five := func(int) int { return 5 }
	laws := map[string]law{
		"left identity":  func(_ eff, f, _ from) (_, _ eff) { return effect.FlatMap(f)(effect.Succeed(3)), f(3) },
		"right identity": func(m eff, _, _ from) (_, _ eff) { return effect.FlatMap(effect.Succeed[int])(m), m },
		"associativity": func(m eff, f, g from) (_, _ eff) {
			return effect.FlatMap(g)(effect.FlatMap(f)(m)), effect.FlatMap(func(a int) eff { return effect.FlatMap(g)(f(a)) })(m)
		},
		"Map of identity": func(m eff, _, _ from) (_, _ eff) { return effect.Map(F.Identity[int])(m), m },
		"Map composes": func(m eff, _, _ from) (_, _ eff) {
			return effect.Map(next)(effect.Map(double)(m)), effect.Map(func(n int) int { return next(double(n)) })(m)
		},
		"Map is FlatMap of Succeed": func(m eff, _, _ from) (_, _ eff) {
			return effect.Map(double)(m), effect.FlatMap(func(n int) eff { return effect.Succeed(double(n)) })(m)
		},
		"Tap of Succeed": func(m eff, _, _ from) (_, _ eff) { return effect.Tap(effect.Succeed[int])(m), m },
		"Tap runs its effect": func(m eff, f, _ from) (_, _ eff) {
			return effect.Map(five)(effect.Tap(f)(m)), effect.Map(five)(effect.FlatMap(f)(m))
		},
		"As is Map": func(m eff, _, _ from) (_, _ eff) { return effect.As[int](5)(m), effect.Map(five)(m) },
		"ZipRight is FlatMap": func(m eff, f, _ from) (_, _ eff) {
			return effect.ZipRight[int](f(3))(m), effect.FlatMap(func(int) eff { return f(3) })(m)
		},
	}
	check(t, laws)
}

type law = func(m eff, f, g from) (left, right eff)

func check(t *testing.T, laws map[string]law) {
	t.Helper()
	kleisli := func(n *node) from {
		return func(a int) eff { return effect.Map(func(b int) int { return 31*a + b })(runner{&notes{}}.effect(n)) }
	}
	// FlatMap drops the value of work that outlasts its context, and the right side of some
	// laws does not: they hold for programs that take no time.
	pure := map[string]operator{"then": sequential["then"], "catchAll": sequential["catchAll"], "orElse": sequential["orElse"]}
	for name, law := range laws {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(rt *rapid.T) {
				draw := func(label string) *node { return prompt(programs(pure).Draw(rt, label)) }
				left, right := law(runner{&notes{}}.effect(draw("m")), kleisli(draw("f")), kleisli(draw("g")))
				require.Equal(rt, seen(observe(t.Context(), right)), seen(observe(t.Context(), left)))
			})
		})
	}
}

// prompt replaces the leaves that take time.
func prompt(n *node) *node { return replaced(n, "succeed", "wait", "sleep", "stubborn") }

// waiting makes a program whose leaves all wait to be cancelled.
func waiting(n *node) *node { return replaced(n, "wait", leafNames...) }

func replaced(n *node, leaf string, from ...string) *node {
	if slices.Contains(from, n.op) {
		n.op, n.operator = leaf, leaves[leaf]
	}
	for _, kid := range n.kids {
		replaced(kid, leaf, from...)
	}
	return n
}

// interruptible has one effect for each operator, which ends only when it is cancelled.
func interruptible() map[string]effect.Effect[int] {
	wait := untilCancelled[int]
	effs := map[string]effect.Effect[int]{
		"Sleep":              effect.As[effect.Void](0)(effect.Sleep(time.Hour)),
		"Forever":            effect.Absurd[int](effect.Forever(effect.Succeed(1))),
		"Scheduled":          effect.With(effect.Succeed(1), effect.Scheduled(schedule.Spaced(time.Hour))),
		"With":               effect.With(wait, effect.Within(time.Hour), effect.Retrying(schedule.Forever())),
		"Map":                effect.Map(F.Identity[int])(wait),
		"FlatMap":            effect.FlatMap(effect.Succeed[int])(wait),
		"Tap":                effect.Tap(effect.Succeed[int])(wait),
		"As":                 effect.As[int](1)(wait),
		"ZipRight":           effect.ZipRight[int](wait)(effect.Succeed(1)),
		"Retry":              effect.Retry[int](schedule.Spaced(time.Hour))(effect.Fail[int](errBoom)),
		"RetryWhile":         effect.RetryWhile[int](schedule.Spaced(time.Hour), func(error) bool { return true })(effect.Fail[int](errBoom)),
		"Repeat":             effect.Repeat[int](schedule.Spaced(time.Hour))(effect.Succeed(1)),
		"Timeout":            effect.Timeout[int](time.Hour)(wait),
		"a race of nothing":  effect.Race[int](),
		"a race of one":      effect.Race(wait),
		"RaceFirst":          effect.RaceFirst(wait, wait),
		"All":                head(effect.All(1, wait, wait)),
		"Fork, then Join":    joined(wait),
		"Fork, then Await":   effect.As[effect.Exit[int]](0)(effect.FlatMap((*effect.Fiber[int]).Await)(effect.Fork(stubborn(100*time.Millisecond, wait)))),
		"a finalizer's fail": effect.Ensuring[int](effect.Fail[effect.Void](errClose))(wait),
	}
	for name, op := range recoveries(func() {}) {
		effs[name] = op(wait)
	}
	for name, op := range combinations {
		effs[name] = op(wait)
	}
	maps.Copy(effs, finalizing(wait, do(func() {})))
	for name, owner := range owners {
		effs[name] = owner(wait)
	}
	return effs
}

func TestAnEffectCanBeRunAgainAndFromManyGoroutinesAndReportsTheContextsErrorAndItsCause(t *testing.T) {
	t.Parallel()
	for name, eff := range interruptible() {
		var runs sync.WaitGroup
		for range 6 {
			runs.Go(func() {
				for range 3 {
					ctx, cancel := context.WithCancelCause(t.Context())
					go cancel(errCause)
					o := observe(ctx, eff)
					assert.ErrorIs(t, o.err, context.Canceled, name)
					assert.ErrorIs(t, o.err, errCause, name)
				}
			})
		}
		runs.Wait()
	}
	rapid.Check(t, func(rt *rapid.T) {
		program := programs(sequential).Draw(rt, "program")
		var want model
		wantEnd := want.run(program)
		var ends [4]end
		inBubble(t, func(ctx context.Context) {
			eff := runner{&notes{}}.effect(program) // one value
			var runs sync.WaitGroup
			for i := range ends {
				runs.Go(func() { ends[i] = seen(observe(ctx, eff)) })
			}
			runs.Wait()
		})
		for _, got := range ends {
			require.Equal(rt, wantEnd, got)
		}
	})
}
