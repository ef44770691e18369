package effect_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
)

func ofName(e *notFound) effect.Effect[string] { return effect.Succeed("instead of " + e.name) }

func TestCatchTagSeesWrappedErrors(t *testing.T) {
	t.Parallel()
	missing := &notFound{"x"}
	for name, err := range map[string]error{
		"itself":              missing,
		"wrapped":             fmt.Errorf("while reading: %w", missing),
		"wrapped twice":       fmt.Errorf("a: %w", fmt.Errorf("b: %w", missing)),
		"joined with another": errors.Join(missing, &notFound{"y"}),
		"in a timeout":        &effect.TimeoutError{Err: missing},
	} {
		s, err := effect.CatchTag(ofName)(effect.Fail[string](err))(t.Context())
		require.NoError(t, err, name)
		assert.Equal(t, "instead of x", s, name)
	}
}

func TestCatchTagLeavesOtherFailuresAndValuesAlone(t *testing.T) {
	t.Parallel()
	for _, err := range []error{errBoom, &busy{}, errors.Join(errBoom, &busy{})} {
		_, got := effect.CatchTag(ofName)(effect.Fail[string](err))(t.Context())
		assert.Equal(t, err, got)
	}
	s, err := effect.CatchTag(ofName)(effect.Succeed("value"))(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "value", s)
}

func TestCatchTagMatchesAnInterfaceToo(t *testing.T) {
	t.Parallel()
	tag := effect.CatchTag(func(e effect.Tagged) effect.Effect[string] { return effect.Succeed(e.Tag()) })
	s, err := tag(effect.Fail[string](fmt.Errorf("wrapped: %w", &notFound{})))(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "NotFound", s)
	_, err = tag(effect.Fail[string](&busy{}))(t.Context())
	assert.ErrorAs(t, err, new(*busy))
}

func TestCatchTagsTakesTheFirstCaseThatMatches(t *testing.T) {
	t.Parallel()
	recovered := effect.CatchTags(
		effect.Case(func(*busy) effect.Effect[string] { return effect.Succeed("busy") }),
		effect.Case(ofName),
		effect.Case(func(effect.Tagged) effect.Effect[string] { return effect.Succeed("tagged") }),
	)
	for want, err := range map[string]error{
		"busy":         fmt.Errorf("%w, so %w", &notFound{"x"}, &busy{}), // by the order of the cases
		"instead of x": &notFound{"x"},
		"tagged":       &effect.TimeoutError{},
	} {
		s, err := recovered(effect.Fail[string](err))(t.Context())
		require.NoError(t, err)
		assert.Equal(t, want, s)
	}
	_, err := recovered(effect.Fail[string](errBoom))(t.Context())
	assert.Equal(t, errBoom, err)
	_, err = effect.CatchTags[string]()(effect.Fail[string](errBoom))(t.Context())
	assert.Equal(t, errBoom, err)
}

// TestAHandlersOwnEndStands: what a handler fails with is not handled again.
func TestAHandlersOwnEndStands(t *testing.T) {
	t.Parallel()
	failing := func(error) effect.Effect[int] { return effect.Fail[int](errClose) }
	for name, op := range map[string]effect.Operator[int, int]{
		"CatchTag": effect.CatchTag(func(e *notFound) effect.Effect[int] { return failing(e) }),
		"CatchAll": effect.CatchAll(failing),
		"OrElse":   effect.OrElse(failing(nil)),
		"MapError": effect.MapError[int](func(error) error { return errClose }),
	} {
		_, err := op(effect.Fail[int](&notFound{}))(t.Context())
		assert.Equal(t, errClose, err, name)
	}
}

func TestTapErrorPassesTheFailureOn(t *testing.T) {
	t.Parallel()
	var seen error
	_, err := effect.TapError[int](func(err error) effect.Effect[effect.Void] { return do(func() { seen = err }) })(effect.Fail[int](errBoom))(t.Context())
	assert.Equal(t, errBoom, err)
	assert.Equal(t, errBoom, seen)

	_, err = effect.TapError[int](func(error) effect.Effect[effect.Void] { return effect.Fail[effect.Void](errClose) })(effect.Fail[int](errBoom))(t.Context())
	assert.Equal(t, "boom\nclose failed", err.Error())
}

func TestIgnoreDropsTheValueAndTheFailure(t *testing.T) {
	t.Parallel()
	for _, eff := range []effect.Effect[int]{effect.Succeed(1), effect.Fail[int](errBoom)} {
		_, err := effect.Ignore(eff)(t.Context())
		require.NoError(t, err)
	}
}

// recoveries are the operators that do something about a failure; handled is
// called when they do.
func recoveries(handled func()) map[string]effect.Operator[int, int] {
	instead := func(error) effect.Effect[int] { handled(); return effect.Succeed(0) }
	return map[string]effect.Operator[int, int]{
		"CatchTag":  effect.CatchTag(instead),
		"CatchTags": effect.CatchTags(effect.Case(func(*notFound) effect.Effect[int] { return instead(nil) }), effect.Case(instead)),
		"CatchAll":  effect.CatchAll(instead),
		"OrElse":    effect.OrElse(func(context.Context) (int, error) { return instead(nil)(nil) }),
		"MapError":  effect.MapError[int](func(error) error { handled(); return nil }),
		"TapError":  effect.TapError[int](func(error) effect.Effect[effect.Void] { return do(handled) }),
		"Ignore":    func(eff effect.Effect[int]) effect.Effect[int] { return effect.As[effect.Void](0)(effect.Ignore(eff)) },
	}
}

func TestNoRecoveryTurnsACancellationIntoASuccess(t *testing.T) {
	t.Parallel()
	for name, op := range recoveries(func() { t.Error("handled") }) {
		for what, work := range map[string]effect.Effect[int]{
			"the interruption":                untilCancelled[int],
			"a failure of another kind":       effect.Fail[int](errBoom),
			"an interruption and a finalizer": effect.Ensuring[int](effect.Fail[effect.Void](errClose))(untilCancelled[int]),
			"a cancellation during the work":  func(context.Context) (int, error) { return 0, &notFound{"x"} },
		} {
			ctx, cancel := context.WithCancelCause(t.Context())
			_, err := op(func(ctx context.Context) (int, error) {
				cancel(errCause)
				return work(ctx)
			})(ctx)
			require.ErrorIs(t, err, context.Canceled, "%s of %s", name, what)
			require.ErrorIs(t, err, errCause, "%s of %s", name, what)
			switch what {
			case "a failure of another kind":
				assert.ErrorIs(t, err, errBoom, name)
			case "a cancellation during the work":
				assert.ErrorAs(t, err, new(*notFound), name)
			}
		}
	}
}

func TestNoRecoveryTouchesADefect(t *testing.T) {
	t.Parallel()
	late := effect.Ensuring[int](panicking[effect.Void](&notFound{"late"}))
	for name, op := range recoveries(func() { t.Error("handled") }) {
		assert.Equal(t, "boom", observe(t.Context(), op(panicking[int]("boom"))).panicked, name)
		assert.True(t, observe(t.Context(), op(goexit[int])).goexit, name)
		for _, work := range []effect.Effect[int]{late(effect.Succeed(1)), late(effect.Fail[int](&notFound{"x"}))} {
			o := observe(t.Context(), op(work))
			assert.ErrorAs(t, o.err, new(*effect.Defect), name)
		}
	}
}

func TestRecoveriesHandleTheCancellationOfSomebodyElse(t *testing.T) {
	t.Parallel()
	for name := range recoveries(func() {}) {
		handled := 0
		op := recoveries(func() { handled++ })[name]
		_, _ = op(effect.Fail[int](canceled(nil).Err()))(t.Context())
		assert.Equal(t, name != "Ignore", handled == 1, name)
	}
}

func TestAValueBesideAFailureStaysThereUnlessTheFailureIsRecoveredFrom(t *testing.T) {
	t.Parallel()
	both := func(context.Context) (int, error) { return 42, errBoom }
	for name, operator := range map[string]effect.Operator[int, int]{
		"CatchTag of another type": effect.CatchTag(func(*notFound) effect.Effect[int] { return effect.Succeed(0) }),
		"MapError":                 effect.MapError[int](func(err error) error { return fmt.Errorf("mapped: %w", err) }),
		"TapError":                 effect.TapError[int](func(error) effect.Effect[effect.Void] { return effect.Fail[effect.Void](errClose) }),
	} {
		a, err := operator(both)(t.Context())
		require.ErrorIs(t, err, errBoom, name)
		assert.Equal(t, 42, a, name)

		a, err = operator(both)(canceled(errCause))
		require.ErrorIs(t, err, context.Canceled, name)
		assert.Equal(t, 42, a, name)
	}
}
