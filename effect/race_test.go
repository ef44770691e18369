package effect_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
)

// after ends as eff does, d from its start, unless it is cancelled before.
func after(d time.Duration, eff effect.Effect[int]) effect.Effect[int] {
	return effect.ZipRight[effect.Void](eff)(effect.Sleep(d))
}

// races are the ways to run effects until one decides.
var races = map[string]func(...effect.Effect[int]) effect.Effect[int]{
	"RaceFirst": effect.RaceFirst[int],
	"Race":      effect.Race[int],
	"All":       func(effs ...effect.Effect[int]) effect.Effect[int] { return head(effect.All(0, effs...)) },
}

func TestRaceFirstEndsAsTheFirstToEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, err := effect.RaceFirst(after(2*time.Second, effect.Succeed(2)), after(time.Second, effect.Succeed(1)), untilCancelled[int])(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 1, n)
		_, err = effect.RaceFirst(after(2*time.Second, effect.Succeed(2)), after(time.Second, effect.Fail[int](errBoom)))(t.Context())
		assert.Equal(t, errBoom, err)
	})
}

func TestRaceYieldsTheFirstValueAndFailsOnlyIfAllDo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		n, err := effect.Race(after(3*time.Second, effect.Succeed(3)), effect.Fail[int](errBoom), after(2*time.Second, effect.Succeed(2)))(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 2, n)
		assert.Equal(t, 2*time.Second, time.Since(start))

		_, err = effect.Race(after(time.Second, effect.Fail[int](errBoom)), effect.Fail[int](&busy{}), effect.Fail[int](errClose))(t.Context())
		assert.EqualError(t, err, "boom\nbusy\nclose failed", "in the order of the effects")
		assert.ErrorAs(t, err, new(*busy))
	})
}

func TestALoserIsCancelledAndWaitedFor(t *testing.T) {
	t.Parallel()
	for name, race := range races {
		synctest.Test(t, func(t *testing.T) {
			decides := effect.Succeed(1)
			if name == "All" {
				decides = effect.Fail[int](errBoom)
			}
			var ended [2]bool
			start := time.Now()
			_, err := race(
				effect.As[effect.Void](0)(slow(&ended[0])),
				after(time.Second, decides),
				effect.As[effect.Void](0)(slow(&ended[1])),
			)(t.Context())
			assert.Equal(t, name == "All", err != nil, name)
			assert.Equal(t, [2]bool{true, true}, ended, name)
			assert.Equal(t, 2*time.Second, time.Since(start), name)
		})
	}
}

func TestAPanicOfALoserIsNotSwallowed(t *testing.T) {
	t.Parallel()
	whenCancelled := func(eff effect.Effect[int]) effect.Effect[int] {
		return func(ctx context.Context) (int, error) { <-ctx.Done(); return eff(ctx) }
	}
	for name, race := range races {
		for what, loser := range map[string]effect.Effect[int]{
			"a panic":                whenCancelled(panickingThere[int]("boom")),
			"a panic of a finalizer": effect.Ensuring[int](panickingThere[effect.Void]("boom"))(untilCancelled[int]),
		} {
			decides := effect.Succeed(1)
			if name == "All" {
				decides = effect.Fail[int](errBoom)
			}
			o := observe(t.Context(), race(loser, decides))
			d, ok := o.panicked.(*effect.Defect)
			require.True(t, ok, "%s: %s", name, what)
			assert.Equal(t, "boom", d.Value)
			assert.Contains(t, string(d.Stack), "whereItPanics")
		}
		if name != "All" {
			assert.True(t, observe(t.Context(), race(whenCancelled(goexit[int]), effect.Succeed(1))).goexit, name)
		}
	}
}

func TestAPanicDecidesARace(t *testing.T) {
	t.Parallel()
	for name, race := range races {
		var ended bool
		synctest.Test(t, func(t *testing.T) {
			o := observe(t.Context(), race(effect.As[effect.Void](0)(slow(&ended)), after(time.Second, panicking[int]("boom"))))
			d, ok := o.panicked.(*effect.Defect)
			require.True(t, ok, name)
			assert.Equal(t, "boom", d.Value)
			assert.True(t, ended, name)
			assert.True(t, observe(t.Context(), race(untilCancelled[int], after(time.Second, goexit[int]))).goexit, name)
		})
	}
}

func TestOfSeveralPanicsOneIsRaisedAndNoneIsLostBehindGoexit(t *testing.T) {
	t.Parallel()
	for name, race := range races {
		for _, effs := range [][]effect.Effect[int]{
			{panicking[int]("a"), panicking[int]("b")},
			{goexit[int], panicking[int]("a"), goexit[int]},
			{panicking[int]("a"), goexit[int]},
		} {
			for i, eff := range effs {
				effs[i] = stubborn(time.Millisecond, eff) // so that each starts
			}
			synctest.Test(t, func(t *testing.T) {
				o := observe(t.Context(), race(effs...))
				d, ok := o.panicked.(*effect.Defect)
				require.True(t, ok, name)
				assert.Contains(t, []any{"a", "b"}, d.Value, name)
			})
		}
	}
}

func TestADecidingFinalizersPanicStaysBesideTheErrorOfTheWork(t *testing.T) {
	t.Parallel()
	work := effect.Ensuring[int](panicking[effect.Void]("late"))(effect.Fail[int](errBoom))
	for name, race := range races {
		o := observe(t.Context(), race(work, untilCancelled[int]))
		require.Nil(t, o.panicked, name)
		require.ErrorIs(t, o.err, errBoom, name)
		require.ErrorAs(t, o.err, new(*effect.Defect), name)
	}
}

func TestARaceOfNoEffectsEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, race := range []effect.Effect[int]{effect.RaceFirst[int](), effect.Race[int]()} {
			ctx, cancel := deadline(time.Second)(t.Context())
			start := time.Now()
			_, err := race(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorIs(t, err, errCause)
			assert.Equal(t, time.Second, time.Since(start))
			cancel()
		}
	})
}

func TestRacingWorkAgainstAFiberEndsTheWorkWhenTheFiberFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		keepAlive := effect.FlatMap(func(effect.Void) effect.Effect[effect.Never] {
			return effect.Fail[effect.Never](&notFound{"lease"})
		})(effect.Sleep(time.Second))
		_, err := effect.Run(t.Context(), effect.FlatMap(func(lock *effect.Fiber[effect.Never]) effect.Effect[int] {
			return effect.RaceFirst(untilCancelled[int], effect.Absurd[int](lock.Join()))
		})(effect.Fork(keepAlive)))
		assert.ErrorAs(t, err, new(*notFound))
	})
}
