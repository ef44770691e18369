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

// after ends as eff does, d after its start, unless it is cancelled first.
func after(d time.Duration, eff effect.Effect[int]) effect.Effect[int] {
	return effect.ZipRight[effect.Void](eff)(effect.Sleep(d))
}

// races are the ways to run effects until one decides, and an effect that decides.
var races = map[string]struct {
	race    func(...effect.Effect[int]) effect.Effect[int]
	decides effect.Effect[int]
}{
	"RaceFirst": {effect.RaceFirst[int], effect.Succeed(1)},
	"Race":      {effect.Race[int], effect.Succeed(1)},
	"All":       {func(effs ...effect.Effect[int]) effect.Effect[int] { return head(effect.All(0, effs...)) }, effect.Fail[int](errBoom)},
}

func TestARaceEndsAsTheEffectThatDecides(t *testing.T) {
	t.Parallel()
	const s = time.Second
	fail := effect.Fail[int]
	keepAlive := effect.Fork(effect.Absurd[effect.Never](effect.ZipRight[effect.Void](effect.Fail[effect.Never](&notFound{"lease"}))(effect.Sleep(s))))
	for name, test := range map[string]struct {
		eff   effect.Effect[int]
		takes time.Duration
		want  string
	}{
		"RaceFirst, a value":   {effect.RaceFirst(after(2*s, effect.Succeed(2)), after(s, effect.Succeed(1)), untilCancelled[int]), s, "value 1"},
		"RaceFirst, a failure": {effect.RaceFirst(after(2*s, effect.Succeed(2)), after(s, fail(errBoom))), s, "boom"},
		"RaceFirst, against a fiber": {effect.FlatMap(func(lock *effect.Fiber[effect.Never]) effect.Effect[int] {
			return effect.RaceFirst(untilCancelled[int], effect.Absurd[int](lock.Join()))
		})(keepAlive), s, "lease not found"},
		"Race, the first value":       {effect.Race(after(3*s, effect.Succeed(3)), fail(errBoom), after(2*s, effect.Succeed(2))), 2 * s, "value 2"},
		"Race, in the order of these": {effect.Race(after(s, fail(errBoom)), fail(&busy{}), fail(errClose)), s, "boom\nbusy\nclose failed"},
		"RaceFirst, of nothing":       {effect.RaceFirst[int](), 5 * s, "the caller's end"},
		"Race, of nothing":            {effect.Race[int](), 5 * s, "the caller's end"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := deadline(5 * s)(t.Context())
			defer cancel()
			start := time.Now()
			assert.Equal(t, test.want, inWords(ctx, observe(ctx, test.eff)), name)
			assert.Equal(t, test.takes, time.Since(start), name)
		})
	}
}

func TestALoserIsCancelledAndWaitedFor(t *testing.T) {
	t.Parallel()
	for name, r := range races {
		synctest.Test(t, func(t *testing.T) {
			var ended [2]bool
			start := time.Now()
			_, err := r.race(
				effect.As[effect.Void](0)(slow(&ended[0])),
				after(time.Second, r.decides),
				effect.As[effect.Void](0)(slow(&ended[1])),
			)(t.Context())
			assert.Equal(t, name == "All", err != nil, name)
			assert.Equal(t, [2]bool{true, true}, ended, name)
			assert.Equal(t, 2*time.Second, time.Since(start), name)
		})
	}
}

// TestOfSeveralPanicsOneIsRaisedAndNoneIsLost races panics with each other, with
// runtime.Goexit, and with an effect that has decided before.
func TestOfSeveralPanicsOneIsRaisedAndNoneIsLost(t *testing.T) {
	t.Parallel()
	whenCancelled := func(eff effect.Effect[int]) effect.Effect[int] {
		return func(ctx context.Context) (int, error) { <-ctx.Done(); return eff(ctx) }
	}
	soon := func(eff effect.Effect[int]) effect.Effect[int] { return stubborn(time.Millisecond, eff) }
	boom := panickingThere[int]("boom")
	for name, r := range races {
		for what, effs := range map[string][]effect.Effect[int]{
			"a panic decides":             {untilCancelled[int], soon(boom)},
			"two panics":                  {soon(boom), soon(boom)},
			"a panic between Goexits":     {soon(goexit[int]), soon(boom), soon(goexit[int])},
			"a loser's panic":             {whenCancelled(boom), r.decides},
			"a loser's finalizer's panic": {effect.Ensuring[int](panickingThere[effect.Void]("boom"))(untilCancelled[int]), r.decides},
		} {
			synctest.Test(t, func(t *testing.T) {
				o := observe(t.Context(), r.race(effs...))
				d, ok := o.panicked.(*effect.Defect)
				require.True(t, ok, "%s: %s", name, what)
				assert.Equal(t, "boom", d.Value, "%s: %s", name, what)
				assert.Contains(t, string(d.Stack), "whereItPanics")
			})
		}
		assert.True(t, observe(t.Context(), r.race(untilCancelled[int], goexit[int])).goexit, name)
		if name != "All" { // which waits for a failure: its Goexit is raised as well, or not started
			assert.True(t, observe(t.Context(), r.race(whenCancelled(goexit[int]), r.decides)).goexit, name)
		}

		work := effect.Ensuring[int](panicking[effect.Void]("late"))(effect.Fail[int](errBoom))
		o := observe(t.Context(), r.race(work, untilCancelled[int]))
		require.Nil(t, o.panicked, "%s: a finalizer's panic that decides", name)
		require.ErrorIs(t, o.err, errBoom, name)
		require.ErrorAs(t, o.err, new(*effect.Defect), name)
	}
}
