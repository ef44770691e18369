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

func TestAnExitDistinguishesFourWays(t *testing.T) {
	t.Parallel()
	failing := effect.Ensuring[int](effect.Fail[effect.Void](errClose))
	panicky := effect.Ensuring[int](panicking[effect.Void]("finalizer"))
	past, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	for name, test := range map[string]struct {
		ctx  context.Context
		eff  effect.Effect[int]
		want string
	}{
		"a value, though the context has ended":     {canceled(nil), effect.Succeed(1), "success"},
		"an error, though the context has ended":    {canceled(nil), effect.Fail[int](errBoom), "failure"},
		"the cancellation of another context":       {t.Context(), effect.Fail[int](context.Canceled), "failure"},
		"another end than that of the context":      {canceled(nil), effect.Fail[int](context.DeadlineExceeded), "failure"},
		"a panic, though the context has ended":     {canceled(nil), panicking[int](errBoom), "defect"},
		"an interruption and a finalizer's panic":   {canceled(nil), panicky(untilCancelled[int]), "defect"},
		"cancellation, without a cause":             {canceled(nil), untilCancelled[int], "interruption"},
		"only the cause of the cancellation":        {canceled(errCause), effect.Fail[int](errCause), "interruption"},
		"a deadline":                                {past, untilCancelled[int], "interruption"},
		"a wrapped interruption":                    {past, effect.Fail[int](fmt.Errorf("dial: %w", context.DeadlineExceeded)), "interruption"},
		"a finalizer's error, and the context too":  {canceled(nil), failing(effect.Succeed(1)), "failure"},
		"an interruption, and a finalizer's error":  {canceled(nil), failing(untilCancelled[int]), "interruption"},
		"that of a finalizer, though not its panic": {t.Context(), failing(effect.Fail[int](errBoom)), "failure"},
	} {
		exit := effect.RunExit(test.ctx, test.eff)
		assert.Equal(t, test.want, kind(exit), name)
		assert.Equal(t, test.want == "success", exit.IsSuccess(), name)
		assert.Equal(t, test.want == "failure", exit.IsFailure(), name)
		assert.Equal(t, test.want == "defect", exit.IsDefect(), name)
		assert.Equal(t, test.want == "interruption", exit.IsInterruption(), name)
		assert.True(t, !exit.IsInterruption() || errors.Is(exit.Err(), test.ctx.Err()), name)
		_, ok := exit.Value()
		assert.Equal(t, test.want == "success", ok, name)
		assert.Equal(t, test.want == "success", exit.Err() == nil, name)
	}
	var zero effect.Exit[string]
	assert.Equal(t, "success[]", describe(zero))
}

func TestAnInterruptionIsTheContextsErrorAndItsCauseAndKeepsThePreviousFailure(t *testing.T) {
	t.Parallel()
	expired, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	expiredForCause, cancel := context.WithDeadlineCause(t.Context(), time.Unix(0, 0), errCause)
	defer cancel()
	for name, ctx := range map[string]context.Context{
		"cancelled": canceled(nil), "cancelled for a cause": canceled(errCause), "expired": expired, "expired for a cause": expiredForCause,
	} {
		for _, previous := range []error{nil, errBoom, &notFound{"x"}, context.Canceled, context.DeadlineExceeded, fmt.Errorf("dial: %w", context.Canceled), errors.Join(errBoom, errCause)} {
			err := effect.Interrupted(ctx, previous)
			for _, want := range append(effect.Failures(previous), ctx.Err(), context.Cause(ctx)) {
				require.ErrorIs(t, err, want, name)
				require.ErrorContains(t, err, want.Error(), name)
			}
			if _, ok := previous.(*notFound); ok {
				require.ErrorAs(t, err, new(*notFound), name)
			}
			assert.Equal(t, err, effect.Interrupted(ctx, err), "%s: no second wrapper around the first", name)
		}
	}
	assert.Equal(t, context.Canceled, effect.Interrupted(canceled(nil), nil), "which says nothing more")
}

func TestAnExitPrintsHowTheEffectEndedWithoutAStack(t *testing.T) {
	t.Parallel()
	panicky := effect.Ensuring[int](panicking[effect.Void]("late"))
	for want, test := range map[string]struct {
		ctx context.Context
		eff effect.Effect[int]
	}{
		"Success(42)":                     {t.Context(), effect.Succeed(42)},
		"Failure(boom)":                   {t.Context(), effect.Fail[int](errBoom)},
		"Interruption(context canceled)":  {canceled(nil), untilCancelled[int]},
		"Defect(panic: a bug)":            {t.Context(), panicking[int]("a bug")},
		"Defect(boom\npanic: late)":       {t.Context(), panicky(effect.Fail[int](errBoom))},
		"Defect(wrapped: panic: a bug)":   {t.Context(), effect.Fail[int](fmt.Errorf("wrapped: %w", &effect.Defect{Value: "a bug", Stack: []byte("main.go:7")}))},
		"Defect(panic: late\npanic: two)": {t.Context(), effect.Ensuring[int](panicking[effect.Void]("two"))(panicky(effect.Succeed(1)))},
		"Defect(panic: a bug\nand then, in a finalizer: panic: late)": {t.Context(), panicky(panicking[int]("a bug"))},
	} {
		exit := effect.RunExit(test.ctx, test.eff)
		assert.Equal(t, want, exit.String())
		assert.Equal(t, want+" "+want, fmt.Sprintf("%v %s", exit, exit))
	}
}
