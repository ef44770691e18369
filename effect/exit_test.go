package effect_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
)

func TestAnExitTellsTheFourWaysApart(t *testing.T) {
	t.Parallel()
	failing := func(err error) effect.Operator[int, int] {
		return effect.Ensuring[int](effect.Fail[effect.Void](err))
	}
	panicky := effect.Ensuring[int](panicking[effect.Void]("finalizer"))
	past, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	for name, test := range map[string]struct {
		ctx  context.Context
		eff  effect.Effect[int]
		want string
	}{
		"a value":                                  {t.Context(), effect.Succeed(1), "success"},
		"a value, though the context has ended":    {canceled(nil), effect.Succeed(1), "success"},
		"an error":                                 {t.Context(), effect.Fail[int](errBoom), "failure"},
		"an error, though the context has ended":   {canceled(nil), effect.Fail[int](errBoom), "failure"},
		"somebody else's cancellation":             {t.Context(), effect.Fail[int](context.Canceled), "failure"},
		"another end than that of the context":     {canceled(nil), effect.Fail[int](context.DeadlineExceeded), "failure"},
		"a panic":                                  {t.Context(), panicking[int]("boom"), "defect"},
		"a panic, though the context has ended":    {canceled(nil), panicking[int]("boom"), "defect"},
		"a panic of a finalizer":                   {t.Context(), panicky(effect.Succeed(1)), "defect"},
		"an error and a finalizer's panic":         {t.Context(), panicky(effect.Fail[int](errBoom)), "defect"},
		"an interruption and a finalizer's panic":  {canceled(nil), panicky(untilCancelled[int]), "defect"},
		"a finalizer's error":                      {t.Context(), failing(errClose)(effect.Succeed(1)), "failure"},
		"cancellation":                             {canceled(nil), untilCancelled[int], "interruption"},
		"cancellation for a cause":                 {canceled(errCause), untilCancelled[int], "interruption"},
		"only the cause of the cancellation":       {canceled(errCause), effect.Fail[int](errCause), "interruption"},
		"a deadline":                               {past, untilCancelled[int], "interruption"},
		"a wrapped interruption":                   {past, effect.Fail[int](fmt.Errorf("dial: %w", context.DeadlineExceeded)), "interruption"},
		"an interruption and a finalizer's error":  {canceled(nil), failing(errClose)(untilCancelled[int]), "interruption"},
		"a finalizer's error, and the context too": {canceled(nil), failing(errClose)(effect.Succeed(1)), "failure"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			exit := effect.RunExit(test.ctx, test.eff)
			assert.Equal(t, test.want, kind(exit))
			assert.Equal(t, test.want == "success", exit.IsSuccess())
			assert.Equal(t, test.want == "failure", exit.IsFailure())
			assert.Equal(t, test.want == "defect", exit.IsDefect())
			assert.Equal(t, test.want == "interruption", exit.IsInterruption())
			_, ok := exit.Value()
			assert.Equal(t, test.want == "success", ok)
			assert.Equal(t, test.want == "success", exit.Err() == nil)
		})
	}
}

func TestTheZeroExitIsTheSuccessOfTheZeroValue(t *testing.T) {
	t.Parallel()
	var exit effect.Exit[string]
	s, ok := exit.Value()
	assert.True(t, ok)
	assert.Empty(t, s)
	assert.NoError(t, exit.Err())
}

func TestMatchPassesOnWhatTheEffectEndedWith(t *testing.T) {
	t.Parallel()
	match := effect.Match(
		func(n int) any { return n },
		func(err error) any { return err },
		func(d *effect.Defect) any { return d.Value },
		func(err error) any { return fmt.Sprint("interrupted: ", err) },
	)
	assert.Equal(t, 5, match(effect.RunExit(t.Context(), effect.Succeed(5))))
	assert.Equal(t, errBoom, match(effect.RunExit(t.Context(), effect.Fail[int](errBoom))))
	assert.Equal(t, "boom", match(effect.RunExit(t.Context(), panicking[int]("boom"))))
	assert.Equal(t, "interrupted: context canceled", match(effect.RunExit(canceled(nil), untilCancelled[int])))
}

func TestMatchFindsADefectBesideTheErrorOfTheWork(t *testing.T) {
	t.Parallel()
	work := effect.Ensuring[int](panicking[effect.Void]("finalizer"))(effect.Fail[int](errBoom))
	exit := effect.RunExit(t.Context(), work)
	require.ErrorIs(t, exit.Err(), errBoom)
	value := effect.Match(
		func(int) any { return nil },
		func(error) any { return nil },
		func(d *effect.Defect) any { return d.Value },
		func(error) any { return nil },
	)(exit)
	assert.Equal(t, "finalizer", value)
	_, ok := errors.AsType[*effect.Defect](exit.Err())
	assert.True(t, ok)
}
