package effect_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/schedule"
)

// invalid is an error that == cannot compare with another of its type, although its type is
// comparable.
type invalid struct{ value any }

func (invalid) Error() string { return "invalid value" }

// quarrel is an error whose own method panics.
type quarrel struct{}

func (quarrel) Error() string { return "quarrel" }
func (quarrel) Is(error) bool { panic("not like this") }

func TestNoErrorKeepsAFinalizerFromRunning(t *testing.T) {
	t.Parallel()
	for _, err := range []error{invalid{[]int{1}}, quarrel{}} {
		for _, ctx := range []context.Context{t.Context(), canceled(errCause), canceled(invalid{[]int{1}})} {
			released := 0
			work := effect.Ensuring[int](do(func() { released++ }))(effect.Fail[int](err))
			_ = observe(ctx, work)
			_ = observe(ctx, effect.CatchAll(effect.Fail[int])(work))
			_ = observe(ctx, effect.Retry[int](schedule.Once())(work))
			assert.GreaterOrEqual(t, released, 3, err)
		}
	}
}

func TestErrorsThatCannotBeComparedAreJoinedAndRetried(t *testing.T) {
	t.Parallel()
	e := invalid{[]int{1}}
	fail, finalizer := effect.Fail[int](e), effect.Fail[effect.Void](e)
	for name, eff := range map[string]effect.Effect[int]{
		"a finalizer":            effect.Ensuring[int](finalizer)(fail),
		"a race":                 effect.Race(fail, fail),
		"fibers side by side":    effect.As[[]int](0)(effect.All(0, fail, fail)),
		"a late finalizer":       effect.Timeout[int](time.Millisecond)(effect.Ensuring[int](finalizer)(beside(time.Millisecond, 1, nil))),
		"a retry that goes on":   effect.Retry[int](schedule.Once())(fail),
		"a finalizer of a retry": effect.Ensuring[int](finalizer)(effect.Retry[int](schedule.Once())(fail)),
	} {
		_, err := eff(t.Context())
		require.ErrorAs(t, err, new(invalid), name)
	}

	ctx, cancel := context.WithCancelCause(t.Context())
	runs := 0
	_, err := effect.Ensuring[int](do(func() {}))(effect.Retry[int](schedule.Once())(func(context.Context) (int, error) {
		if runs++; runs == 2 {
			cancel(invalid{[]int{2}})
		}
		return 0, e
	}))(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorAs(t, err, new(invalid))
}

// wrapping wraps a join, and cannot be compared either.
type wrapping struct {
	invalid
	join error
}

func (e wrapping) Unwrap() error { return e.join }

func TestAFailureOfAJoinIsComparedWithWhatCannotBe(t *testing.T) {
	t.Parallel()
	join := errors.Join(errBoom, errClose)
	for _, outer := range []error{&store{join}, wrapping{invalid{[]int{1}}, join}} {
		for _, failure := range effect.Failures(outer) {
			assert.NotErrorIs(t, failure, invalid{[]int{1}})
			assert.NotErrorIs(t, failure, wrapping{invalid{[]int{1}}, nil})
		}
	}
}
