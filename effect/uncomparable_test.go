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

// invalid is an error that == cannot compare with another of its type, for all that its type
// says.
type invalid struct{ value any }

func (invalid) Error() string { return "invalid value" }

func TestErrorsThatCannotBeComparedAreJoinedAndRetried(t *testing.T) {
	t.Parallel()
	e := invalid{[]int{1}}
	fail := effect.Fail[int](e)
	finalizer := effect.Fail[effect.Void](e)
	late := func(context.Context) (int, error) {
		time.Sleep(time.Millisecond)
		return 1, nil
	}
	for name, eff := range map[string]effect.Effect[int]{
		"a finalizer":            effect.Ensuring[int](finalizer)(fail),
		"a race":                 effect.Race(fail, fail),
		"fibers side by side":    effect.As[[]int](0)(effect.All(0, fail, fail)),
		"a late finalizer":       effect.Timeout[int](time.Millisecond)(effect.Ensuring[int](finalizer)(late)),
		"a retry that goes on":   effect.Retry[int](schedule.Once())(fail),
		"a finalizer of a retry": effect.Ensuring[int](finalizer)(effect.Retry[int](schedule.Once())(fail)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := eff(t.Context())
			var found invalid
			require.ErrorAs(t, err, &found)
		})
	}
}

func TestAnInterruptionBesideErrorsThatCannotBeCompared(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	runs := 0
	_, err := effect.Ensuring[int](effect.Succeed(effect.Void{}))(effect.Retry[int](schedule.Once())(func(context.Context) (int, error) {
		if runs++; runs == 2 {
			cancel(invalid{[]int{2}})
		}
		return 0, invalid{[]int{1}}
	}))(ctx)
	require.ErrorIs(t, err, context.Canceled)
	var found invalid
	require.ErrorAs(t, err, &found)
}

// typed wraps a join.
type typed struct{ error }

func (e typed) Unwrap() error { return e.error }

func TestAFailureOfAJoinIsComparedWithWhatCannotBe(t *testing.T) {
	t.Parallel()
	all := effect.Failures(typed{errors.Join(errors.New("first"), errors.New("second"))})
	assert.Len(t, all, 2)
	assert.NotErrorIs(t, all[0], invalid{[]int{1}})
	for _, failure := range effect.Failures(wrapping{invalid{[]int{1}}, errors.Join(errors.New("first"), errors.New("second"))}) {
		assert.NotErrorIs(t, failure, wrapping{invalid{[]int{1}}, nil})
	}
}

// wrapping is both.
type wrapping struct {
	invalid
	join error
}

func (e wrapping) Unwrap() error { return e.join }
