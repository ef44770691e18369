package effect_test

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	F "github.com/IBM/fp-go/v2/function"
	RR "github.com/IBM/fp-go/v2/idiomatic/context/readerresult"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/schedule"
)

func TestSleepYieldsAfterItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := effect.Sleep(3 * time.Second)(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 3*time.Second, time.Since(start))
	})
}

func TestSleepFailsAsSoonAsItsContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := effect.Sleep(time.Hour)(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(start))
	})
}

func TestSleepOfNothingOnlyLooksAtTheContext(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{0, -1, -time.Hour} {
		_, err := effect.Sleep(d)(t.Context())
		require.NoError(t, err)
		_, err = effect.Sleep(d)(canceled(errCause))
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, errCause)
	}
}

func TestOperatorsOnValuesPassAFailureOn(t *testing.T) {
	t.Parallel()
	notCalled := func(int) effect.Effect[int] {
		t.Error("called without a value")
		return effect.Succeed(0)
	}
	for name, op := range map[string]effect.Operator[int, int]{
		"Map":      effect.Map(func(n int) int { t.Error("called without a value"); return n }),
		"FlatMap":  effect.FlatMap(notCalled),
		"Tap":      effect.Tap(notCalled),
		"As":       effect.As[int](1),
		"ZipRight": effect.ZipRight[int](func(context.Context) (int, error) { return notCalled(0)(t.Context()) }),
	} {
		_, err := op(effect.Fail[int](errBoom))(t.Context())
		assert.Equal(t, errBoom, err, name)
	}
}

func TestTapYieldsTheValueUnlessItsEffectFails(t *testing.T) {
	t.Parallel()
	var seen int
	tapped := effect.Tap(func(n int) effect.Effect[effect.Void] { return do(func() { seen = n }) })(effect.Succeed(3))
	n, err := tapped(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 3, n)
	assert.Equal(t, 3, seen)

	_, err = effect.Tap(func(int) effect.Effect[string] { return effect.Fail[string](errBoom) })(effect.Succeed(3))(t.Context())
	assert.Equal(t, errBoom, err)
}

func TestAsAndZipRightReplaceTheValue(t *testing.T) {
	t.Parallel()
	s, err := effect.As[int]("done")(effect.Succeed(3))(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "done", s)
	s, err = effect.ZipRight[int](effect.Succeed("next"))(effect.Succeed(3))(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "next", s)
}

func TestFlatMapDoesNotStartTheNextEffectOnceTheContextHasEnded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	last := func(context.Context) (int, error) { cancel(errCause); return 1, nil }
	_, err := effect.FlatMap(func(int) effect.Effect[int] {
		t.Error("started")
		return effect.Succeed(0)
	})(last)(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, errCause)
}

func TestAbsurdPassesTheFailureOn(t *testing.T) {
	t.Parallel()
	n, err := effect.Absurd[int](effect.Fail[effect.Never](errBoom))(t.Context())
	assert.Zero(t, n)
	assert.Equal(t, errBoom, err)
}

// box is a value whose method is an effect.
type box struct{ n int }

func (b box) Get(context.Context) (int, error) { return b.n, nil }

func TestFpGoComposesOurEffectsWithoutAnAdapter(t *testing.T) {
	t.Parallel()
	text := F.Pipe6(
		box{20}.Get, // a method
		effect.Map(func(n int) int { return n + 1 }),
		RR.Chain(func(n int) effect.Effect[int] { return effect.Succeed(2 * n) }),
		effect.FlatMap(func(n int) RR.ReaderResult[string] { return RR.Of(strconv.Itoa(n)) }),
		effect.Retry[string](schedule.Recurs(2)),
		effect.Timeout[string](time.Minute),
		effect.CatchAll(func(error) effect.Effect[string] { return effect.Succeed("failed") }),
	)
	s, err := text(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "42", s)
}

func TestFpGoDoNotationBindsOurEffects(t *testing.T) {
	t.Parallel()
	type state struct{ a, b int }
	sum := F.Pipe4(
		RR.Do(state{}),
		RR.Bind(func(a int) func(state) state {
			return func(s state) state { s.a = a; return s }
		}, func(state) effect.Effect[int] { return box{20}.Get }),
		RR.Bind(func(b int) func(state) state {
			return func(s state) state { s.b = b; return s }
		}, func(s state) effect.Effect[int] {
			return effect.Scoped(func(scope *effect.Scope) effect.Effect[int] {
				return effect.AcquireRelease(effect.Succeed(s.a+2), func(int, effect.Exit[any]) effect.Effect[effect.Void] {
					return effect.Succeed(effect.Void{})
				})(scope)
			})
		}),
		effect.OrElse(effect.Succeed(state{})),
		effect.Map(func(s state) int { return s.a + s.b }),
	)
	n, err := sum(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 42, n)
}
