package effect_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
)

// timed runs eff under Timeout(d) in a bubble, and asserts how long that takes.
func timed(t *testing.T, ctx context.Context, d time.Duration, eff effect.Effect[int], takes time.Duration) outcome[int] { //nolint:revive // t first, as in testify
	t.Helper()
	start := time.Now()
	o := observe(ctx, effect.Timeout[int](d)(eff))
	assert.Equal(t, takes, time.Since(start))
	return o
}

// stubborn ignores its context for d.
func stubborn(d time.Duration, then effect.Effect[int]) effect.Effect[int] {
	return func(ctx context.Context) (int, error) { time.Sleep(d); return then(ctx) }
}

func TestTimeoutLeavesAnEffectThatEndsInTimeAlone(t *testing.T) {
	t.Parallel()
	for ending, work := range endings {
		if ending == "cancellation" {
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			plain := observe(t.Context(), stubborn(time.Second, work))
			assert.Equal(t, plain, timed(t, t.Context(), time.Minute, stubborn(time.Second, work), time.Second), ending)
		})
	}
}

func TestTimeoutCancelsAnEffectAndFailsWithATimeoutError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := timed(t, t.Context(), time.Second, untilCancelled[int], time.Second)
		assert.Equal(t, &effect.TimeoutError{Duration: time.Second}, o.err)
		require.NotErrorIs(t, o.err, context.DeadlineExceeded, "that is the caller's own deadline")
		assert.EqualError(t, o.err, "timed out after 1s")

		exit := effect.RunExit(t.Context(), effect.Timeout[int](time.Second)(untilCancelled[int]))
		assert.True(t, exit.IsFailure())
	})
}

func TestTimeoutWaitsForTheEffectItHasCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cleanup := effect.Ensuring[int](effect.Sleep(2 * time.Second))
		o := timed(t, t.Context(), time.Second, cleanup(untilCancelled[int]), 3*time.Second)
		assert.Equal(t, &effect.TimeoutError{Duration: time.Second}, o.err)
	})
}

func TestAnEffectThatIgnoresItsContextIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := timed(t, t.Context(), time.Second, stubborn(time.Minute, effect.Succeed(3)), time.Minute)
		assert.Equal(t, outcome[int]{value: 3}, o, "it has yielded a value")

		o = timed(t, t.Context(), time.Second, stubborn(time.Minute, panicking[int]("boom")), time.Minute)
		assert.Equal(t, "boom", o.panicked)
		assert.True(t, timed(t, t.Context(), time.Second, stubborn(time.Minute, goexit[int]), time.Minute).goexit)
	})
}

func TestATimeoutErrorKeepsWhatTheEffectFailedWithBeyondItsCancellation(t *testing.T) {
	t.Parallel()
	wrapped := func(ctx context.Context) (int, error) {
		<-ctx.Done()
		return 0, fmt.Errorf("dial: %w", ctx.Err())
	}
	bare := func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }
	after := func(last error) effect.Effect[int] {
		return func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, effect.Interrupted(ctx, last) }
	}
	ofAnother := func(ctx context.Context) (int, error) {
		<-ctx.Done()
		return 0, effect.Interrupted(canceled(errCause), nil)
	}
	for name, test := range map[string]struct {
		work effect.Effect[int]
		want string
	}{
		"the end of the context":                   {bare, ""},
		"the interruption":                         {untilCancelled[int], ""},
		"the interruption, after a failure":        {after(errBoom), "boom"},
		"a failure of its own":                     {stubborn(time.Minute, effect.Fail[int](errBoom)), "boom"},
		"the end of the context, in other words":   {wrapped, "dial: context deadline exceeded"},
		"the interruption and a finalizer's error": {effect.Ensuring[int](effect.Fail[effect.Void](errClose))(bare), "close failed"},
		"the end of another context":               {ofAnother, "context canceled: shutting down"},
	} {
		synctest.Test(t, func(t *testing.T) {
			_, err := effect.Timeout[int](time.Second)(test.work)(t.Context())
			var timeout *effect.TimeoutError
			require.ErrorAs(t, err, &timeout, name)
			assert.Equal(t, "TimeoutError", timeout.Tag())
			if test.want == "" {
				assert.NoError(t, timeout.Err, name)
				return
			}
			require.EqualError(t, timeout.Err, test.want, name)
			assert.ErrorIs(t, err, timeout.Err, name)
			assert.Contains(t, err.Error(), test.want, name)
		})
	}
}

func TestADefectPassesATimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		late := effect.Ensuring[int](panicking[effect.Void]("late"))(untilCancelled[int])
		o := timed(t, t.Context(), time.Second, late, time.Second)
		require.ErrorAs(t, o.err, new(*effect.Defect))
		require.NotErrorAs(t, o.err, new(*effect.TimeoutError))
	})
}

func TestTheCallersOwnEndIsReportedAsSuch(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		bound func(context.Context) (context.Context, context.CancelFunc)
		work  effect.Effect[int]
		takes time.Duration
	}{
		"an earlier deadline":                                    {deadline(time.Second), untilCancelled[int], time.Second},
		"a cancellation":                                         {cancelAfter(time.Second), untilCancelled[int], time.Second},
		"a deadline, of an effect that ignores it":               {deadline(time.Second), stubborn(time.Minute, untilCancelled[int]), time.Minute},
		"a cancellation, after the timeout had passed":           {cancelAfter(20 * time.Second), seesTheTimeout, 30 * time.Second},
		"a deadline, after the timeout had passed":               {deadline(20 * time.Second), seesTheTimeout, 30 * time.Second},
		"a cancellation, after the timeout and another failure":  {cancelAfter(20 * time.Second), effect.Ensuring[int](effect.Fail[effect.Void](errClose))(seesTheTimeout), 30 * time.Second},
		"a cancellation, of an effect that saw only its timeout": {cancelAfter(20 * time.Second), effect.TapError[int](func(error) effect.Effect[effect.Void] { return do(func() {}) })(seesTheTimeout), 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := test.bound(t.Context())
				defer cancel()
				o := timed(t, ctx, 10*time.Second, test.work, test.takes)
				assert.ErrorIs(t, o.err, ctx.Err())
				assert.ErrorIs(t, o.err, context.Cause(ctx))
				assert.NotErrorAs(t, o.err, new(*effect.TimeoutError))
			})
		})
	}
}

// seesTheTimeout ends 30 s after its start with the error of its own context.
func seesTheTimeout(ctx context.Context) (int, error) {
	start := time.Now()
	<-ctx.Done()
	err := effect.Interrupted(ctx, nil)
	time.Sleep(time.Until(start.Add(30 * time.Second)))
	return 0, err
}

func deadline(d time.Duration) func(context.Context) (context.Context, context.CancelFunc) {
	return func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeoutCause(ctx, d, errCause)
	}
}

func cancelAfter(d time.Duration) func(context.Context) (context.Context, context.CancelFunc) {
	return func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancelCause(ctx)
		time.AfterFunc(d, func() { cancel(errCause) })
		return ctx, func() { cancel(nil) }
	}
}

func TestAValueOrFailureOfItsOwnStandsWhenTheCallerEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		o := timed(t, ctx, time.Minute, stubborn(2*time.Second, effect.Succeed(3)), 2*time.Second)
		assert.Equal(t, outcome[int]{value: 3}, o)
		assert.Equal(t, errBoom, timed(t, ctx, time.Minute, effect.Fail[int](errBoom), 0).err)
	})
}

func TestOfNestedTimeoutsTheShorterOneCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := timed(t, t.Context(), time.Minute, effect.Timeout[int](time.Second)(untilCancelled[int]), time.Second)
		assert.Equal(t, &effect.TimeoutError{Duration: time.Second}, o.err)
		o = timed(t, t.Context(), time.Second, effect.Timeout[int](time.Minute)(untilCancelled[int]), time.Second)
		assert.Equal(t, &effect.TimeoutError{Duration: time.Second}, o.err)
		// The inner one is known to have passed when the outer one does.
		o = timed(t, t.Context(), time.Minute, effect.Timeout[int](time.Second)(stubborn(time.Hour, untilCancelled[int])), time.Hour)
		assert.Equal(t, &effect.TimeoutError{Duration: time.Minute}, o.err)
	})
}

func TestTheBoundsOfATimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, d := range []time.Duration{0, -1, math.MinInt64} {
			o := timed(t, t.Context(), d, untilCancelled[int], 0)
			assert.Equal(t, &effect.TimeoutError{Duration: d}, o.err)
		}
		o := timed(t, t.Context(), math.MaxInt64, stubborn(24*time.Hour, effect.Succeed(3)), 24*time.Hour)
		assert.Equal(t, outcome[int]{value: 3}, o)
	})
}
