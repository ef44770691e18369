package effect_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
)

// finalizing are all the ways to run a finalizer after work.
func finalizing(work effect.Effect[int], finalizer effect.Effect[effect.Void]) map[string]effect.Effect[int] {
	release := func(int, effect.Exit[any]) effect.Effect[effect.Void] { return finalizer }
	return map[string]effect.Effect[int]{
		"Ensuring":          effect.Ensuring[int](finalizer)(work),
		"OnExit":            effect.OnExit(func(effect.Exit[int]) effect.Effect[effect.Void] { return finalizer })(work),
		"AcquireUseRelease": effect.AcquireUseRelease(effect.Succeed(0), func(int) effect.Effect[int] { return work }, release),
		"AcquireRelease": effect.Scoped(func(s *effect.Scope) effect.Effect[int] {
			return effect.ZipRight[int](work)(effect.AcquireRelease(effect.Succeed(0), release)(s))
		}),
		"AddFinalizer": effect.Scoped(func(s *effect.Scope) effect.Effect[int] {
			return effect.ZipRight[effect.Void](work)(s.AddFinalizer(func(effect.Exit[any]) effect.Effect[effect.Void] { return finalizer }))
		}),
	}
}

func TestHazard68_AFinalizerThatTakesTooLongSaysSo(t *testing.T) {
	t.Parallel()
	for name := range finalizing(nil, nil) {
		synctest.Test(t, func(t *testing.T) {
			a, err := finalizing(effect.Succeed(42), untilCancelled[effect.Void])[name](t.Context())
			assert.Equal(t, 42, a, name)
			assert.Equal(t, &effect.FinalizerTimeoutError{Duration: effect.FinalizerTimeout}, err, name)
			require.NotErrorIs(t, err, context.DeadlineExceeded, "%s: nobody set that deadline", name)
			require.NotErrorAs(t, err, new(*effect.TimeoutError), "%s: nobody made that timeout", name)
			require.EqualError(t, err, "a finalizer was cancelled after 5s; move slow work out of the finalizer", name)

			// It is not taken for the end of a caller whose deadline has passed.
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			exit := effect.RunExit(ctx, finalizing(effect.Fail[int](errBoom), untilCancelled[effect.Void])[name])
			assert.True(t, exit.IsFailure(), name)
			assert.ErrorIs(t, exit.Err(), errBoom, name)
		})
	}
}

func TestHazard68_AFinalizerErrorKeepsWhatElseTheFinalizerFailedWith(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		finalizer func(ctx context.Context) error
		want      []string
		late      bool
	}{
		"the end, in other words":    {func(ctx context.Context) error { return fmt.Errorf("flush: %w", ctx.Err()) }, []string{"a finalizer was cancelled after 5s: flush: context deadline exceeded; move slow work out of the finalizer"}, true},
		"the end, and why":           {func(ctx context.Context) error { return effect.Interrupted(ctx, errBoom) }, []string{"a finalizer was cancelled after 5s: boom; move slow work out of the finalizer"}, true},
		"a failure beside the end":   {func(ctx context.Context) error { return errors.Join(errBoom, ctx.Err()) }, []string{"boom", "a finalizer was cancelled after 5s; move slow work out of the finalizer"}, true},
		"a failure of its own":       {func(context.Context) error { return errBoom }, []string{"boom"}, false},
		"a value, late":              {func(context.Context) error { return nil }, nil, false},
		"the cancellation of others": {func(context.Context) error { return context.Canceled }, []string{"context canceled"}, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			_, err := effect.Ensuring[int](func(ctx context.Context) (effect.Void, error) {
				time.Sleep(time.Minute)
				return effect.Void{}, test.finalizer(ctx)
			})(effect.Succeed(1))(t.Context())
			var said []string
			for _, failure := range effect.Failures(err) {
				said = append(said, failure.Error())
			}
			assert.Equal(t, test.want, said, name)
			var late *effect.FinalizerTimeoutError
			assert.Equal(t, test.late, errors.As(err, &late), name)
			if late != nil {
				assert.Equal(t, "FinalizerTimeoutError", late.Tag())
				require.NotErrorIs(t, err, context.DeadlineExceeded, name)
			}
			if name == "the end, and why" {
				require.ErrorIs(t, err, errBoom)
			}
		})
	}
}

func TestHazard68_AFinalizerThatPanicsLateIsADefect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inner := effect.Ensuring[effect.Void](panicking[effect.Void]("late"))(untilCancelled[effect.Void])
		_, err := effect.Ensuring[int](inner)(effect.Succeed(1))(t.Context())
		require.ErrorAs(t, err, new(*effect.Defect))
	})
}
