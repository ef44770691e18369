package effect_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/schedule"
)

type void = effect.Effect[effect.Void]

// policies are the operators that a policy is made of, for effects of one type. The odd
// microsecond keeps each sum of their times and a program's from being the second after
// which the program is cancelled.
func policies[A any]() []effect.Operator[A, A] {
	const odd = time.Microsecond
	failing := func(name string) void { return effect.Fail[effect.Void](&mark{name}) }
	return []effect.Operator[A, A]{
		effect.Retry[A](schedule.Recurs(2)),
		effect.Retry[A](schedule.Spaced(300*time.Millisecond + odd)),
		effect.Repeat[A](schedule.Recurs(1)),
		effect.Repeat[A](schedule.Spaced(400*time.Millisecond + odd)),
		effect.Timeout[A](100 * time.Hour),
		effect.Timeout[A](200*time.Millisecond + odd),
		effect.Ensuring[A](failing("closed")),
		effect.Ensuring[A](panicking[effect.Void]("late")),
		effect.MapError[A](func(err error) error { return errors.Join(err, &mark{"mapped"}) }),
		effect.TapError[A](func(error) void { return failing("tapped") }),
		func(eff effect.Effect[A]) effect.Effect[A] { return effect.RaceFirst(eff) }, // in a goroutine of its own
		func(eff effect.Effect[A]) effect.Effect[A] {
			return effect.FlatMap(func(effect.Void) effect.Effect[A] { return effect.Repeat[A](schedule.Recurs(1))(eff) })(effect.Sleep(0))
		},
	}
}

// aspects are the same policies in the same order, some as what the package calls them.
func aspects() []effect.Aspect {
	all := policies[effect.Void]()
	all[0] = effect.Retrying(schedule.Recurs(2))
	all[1] = func(e void) void { return effect.With(e, policies[effect.Void]()[1]) } // a policy made of others
	all[4] = effect.Within(100 * time.Hour)
	all[len(all)-1] = effect.Scheduled(schedule.Recurs(2))
	return all
}

func picked[A any](from []A, which []int) (some []A) {
	for _, i := range which {
		some = append(some, from[i])
	}
	return some
}

func applied[A any](e effect.Effect[A], ops []effect.Operator[A, A]) effect.Effect[A] {
	for _, op := range ops {
		e = op(e)
	}
	return e
}

// withoutValue makes 0 the value of an effect that has no other.
func withoutValue(e void) effect.Effect[int] {
	return func(ctx context.Context) (int, error) { _, err := e(ctx); return 0, err }
}

func TestWithDoesWhatTheOperatorsDoOneAfterTheOther(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		program := programs(sequential).Draw(rt, "program")
		which := rapid.SliceOfN(rapid.IntRange(0, len(aspects())-1), 0, 3).Draw(rt, "aspects")
		some := picked(aspects(), which)
		run := func(of func(eff) eff) (o string) {
			var n notes
			runs := 0
			counted := effect.ZipRight[effect.Void](runner{&n}.effect(program))(do(func() { runs++ }))
			inBubble(t, func(ctx context.Context) {
				start := time.Now()
				o = fmt.Sprintf("%#v", seen(observe(ctx, of(counted))))
				o += fmt.Sprint(" ", time.Since(start), runs, n.log)
			})
			return o
		}
		require.Equal(rt,
			run(func(e eff) eff { return applied(e, picked(policies[int](), which)) }),
			run(func(e eff) eff { return effect.With(e, some...) }), "a value")
		require.Equal(rt,
			run(func(e eff) eff { return withoutValue(applied(effect.As[int](effect.Void{})(e), some)) }),
			run(func(e eff) eff { return withoutValue(effect.With(effect.As[int](effect.Void{})(e), some...)) }), "Void")
	})
}

// ran is an aspect that runs its effect n times, ignores how the runs end, and ends with err.
func ran(n int, err error) effect.Aspect {
	return func(e void) void {
		return func(ctx context.Context) (none effect.Void, _ error) {
			for range n {
				_, _ = e(ctx)
			}
			return none, err
		}
	}
}

// recovered is an aspect that fails where its effect panics.
func recovered(e void) void {
	return func(ctx context.Context) (none effect.Void, err error) {
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("recovered: %v", r)
			}
		}()
		return e(ctx)
	}
}

// elsewhere is an aspect that does not pass its context on.
func elsewhere(e void) void {
	return func(context.Context) (effect.Void, error) { return e(context.Background()) }
}

func TestTheValueOfWithIsThatOfTheLastSuccessOrTheOneBesideTheLastRun(t *testing.T) {
	t.Parallel()
	fails := func(runs ...int) func(int) error {
		return func(n int) error {
			if slices.Contains(runs, n) {
				return fmt.Errorf("run %d", n)
			}
			return nil
		}
	}
	panicsAt2 := func(n int) error {
		if n == 2 {
			panic("boom")
		}
		return errBoom
	}
	const (
		skipped   = "an aspect succeeded without the value of the effect: skip the effect outside of With, where the type can say so, as WithLockIfAvailable does"
		forgotten = "an aspect recovered from a failure and has no value to put in its place: recover outside of With, for example with OrElse: "
	)
	five := schedule.Recurs(5)
	for name, test := range map[string]struct {
		aspect effect.Aspect
		ends   func(n int) error
		value  int // the number of the run
		err    string
	}{
		"retried":                         {effect.Retrying(five), fails(1, 2), 3, ""},
		"repeated":                        {effect.Repeat[effect.Void](five), fails(), 6, ""},
		"a failure after the success":     {ran(3, nil), fails(1, 3), 2, ""},
		"retried in vain":                 {effect.Retrying(schedule.Recurs(1)), fails(1, 2), 2, "run 2"},
		"a failure of the aspect":         {ran(2, errClose), fails(), 2, "close failed"},
		"that, after a failed run":        {ran(2, errClose), fails(2), 2, "close failed"},
		"a failure before the run":        {ran(0, errClose), fails(), 0, "close failed"},
		"a panic after a failure":         {func(e void) void { return effect.Retrying(schedule.Recurs(1))(recovered(e)) }, panicsAt2, 0, "recovered: boom"},
		"not run":                         {ran(0, nil), fails(), 0, skipped},
		"not run, by the schedule":        {effect.Scheduled(schedule.Stop()), fails(), 0, skipped},
		"run under another context":       {elsewhere, fails(), 0, skipped},
		"the failure of another context":  {elsewhere, fails(1), 0, "run 1"},
		"a failure that was recovered":    {effect.OrElse(effect.Succeed(effect.Void{})), fails(1), 1, forgotten + "run 1"},
		"two failures that were":          {ran(2, nil), fails(1, 2), 2, forgotten + "run 2"},
		"a recovery outside of the retry": {func(e void) void { return ran(1, nil)(effect.Retrying(five)(e)) }, fails(1), 2, ""},
	} {
		runs := 0
		n, err := effect.With(numbered(&runs, test.ends), test.aspect)(t.Context())
		assert.Equal(t, test.value, n, name)
		if test.err == "" {
			assert.NoError(t, err, name)
			continue
		}
		assert.EqualError(t, err, test.err, name)
		if noValue, ok := errors.AsType[*effect.NoValueError](err); ok {
			assert.Equal(t, "NoValueError", noValue.Tag(), name)
			assert.True(t, noValue.Err == nil || errors.Is(err, noValue.Err), name)
		}
	}
}

func TestThePanicsOfWithAreThoseOfItsEffectAndOfItsAspects(t *testing.T) {
	t.Parallel()
	for name, e := range endings {
		inBubble(t, func(ctx context.Context) {
			want := observe(ctx, e)
			assert.Equal(t, want, observe(ctx, effect.With(e, effect.Retrying(schedule.Stop()), effect.Within(time.Hour))), name)
			around := func(void) void { return effect.As[int](effect.Void{})(e) }
			got := observe(ctx, effect.With(effect.Succeed(1), around))
			assert.Equal(t, want.panicked, got.panicked, name)
			assert.Equal(t, want.goexit, got.goexit, name)
		})
	}
}

func TestAnAspectIsAppliedOnceAndEachCallOfWithHasItsOwnValue(t *testing.T) {
	t.Parallel()
	applications := 0
	counting := func(e void) void { applications++; return e }
	type caller struct{}
	inner := effect.With(func(ctx context.Context) (int, error) {
		n, _ := ctx.Value(caller{}).(int)
		_, err := effect.Sleep(time.Duration(n))(ctx)
		return n, err
	}, counting)
	synctest.Test(t, func(t *testing.T) {
		// Each call is inside another of the same effect, too.
		eff := effect.With(inner, joined[effect.Void], effect.Repeat[effect.Void](schedule.Recurs(2)))
		var calls sync.WaitGroup
		for i := range 9 {
			calls.Go(func() {
				n, err := eff(context.WithValue(t.Context(), caller{}, i))
				assert.Equal(t, i, n)
				assert.NoError(t, err)
			})
		}
		calls.Wait()
	})
	assert.Equal(t, 1, applications)
}

func TestRunsOfWithMayOverlapAndOutliveTheCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		runs := 0
		e := func(context.Context) (int, error) {
			mu.Lock()
			runs++
			n := runs
			mu.Unlock()
			time.Sleep(time.Duration(n) * time.Second)
			return n, nil
		}
		twice := func(e void) void {
			return effect.Map(func([]effect.Void) effect.Void { return effect.Void{} })(effect.All(0, e, e))
		}
		n, err := effect.With(e, twice)(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, n, "the run that ended last")

		// The third run ends while With returns, and the fourth after that.
		hurried := func(e void) void {
			return func(ctx context.Context) (none effect.Void, err error) {
				for range 2 {
					go func() { _, _ = e(ctx) }()
				}
				time.Sleep(3 * time.Second)
				return none, errClose
			}
		}
		n, err = effect.With(e, hurried)(t.Context())
		require.Equal(t, errClose, err)
		require.Contains(t, []int{0, 3}, n)
		synctest.Wait()
		time.Sleep(time.Minute)
		require.Equal(t, 4, runs)
	})
}
