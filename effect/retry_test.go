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
	"github.com/effectlock/effectlock/schedule"
)

// gaps runs op on an effect that always ends with err, and lists the times between its runs.
func gaps(t *testing.T, op effect.Operator[int, int], err error) (gaps []time.Duration) {
	t.Helper()
	var last time.Time
	ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
	defer cancel()
	_, _ = op(func(context.Context) (int, error) {
		if now := time.Now(); !last.IsZero() {
			gaps = append(gaps, now.Sub(last))
		}
		last = time.Now()
		return 0, err
	})(ctx)
	return gaps
}

// numbered is an effect whose run number n, from 1, ends as f(n) says; runs counts them.
func numbered(runs *int, f func(n int) error) effect.Effect[int] {
	return func(context.Context) (int, error) { *runs++; return *runs, f(*runs) }
}

func TestRetryAndRepeatWaitAsTheScheduleSays(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]schedule.Schedule{
		"zero value":  {},
		"Recurs":      schedule.Recurs(4),
		"Spaced":      schedule.Spaced(time.Second).UpTo(4500 * time.Millisecond),
		"Exponential": schedule.Exponential(100 * time.Millisecond).CapDelay(time.Second).UpTo(5 * time.Second),
		"AndThen":     schedule.Recurs(2).AndThen(schedule.Fibonacci(time.Second).Intersect(schedule.Recurs(5))),
	} {
		synctest.Test(t, func(t *testing.T) {
			want := s.Delays(50)
			assert.Equal(t, want, gaps(t, effect.Retry[int](s), errBoom), name)
			assert.Equal(t, want, gaps(t, effect.Repeat[int](s), nil), name)
		})
	}
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, _ = effect.Retry[int](schedule.Fixed(time.Second).UpTo(3 * time.Second))(beside(400*time.Millisecond, 0, errBoom))(t.Context())
		assert.Equal(t, 3800*time.Millisecond, time.Since(start), "runs start 1 s, 2 s and 3 s after the first one ended")
	})
}

func TestRetryYieldsTheFirstValueAndRepeatTheLast(t *testing.T) {
	t.Parallel()
	three := schedule.Recurs(3)
	failsBefore := func(first int) func(int) error {
		return func(n int) error {
			if n < first {
				return &notFound{fmt.Sprint("run ", n)}
			}
			return nil
		}
	}
	boomAt3 := func(otherwise error) func(int) error {
		return func(n int) error {
			if n == 3 {
				return errBoom
			}
			return otherwise
		}
	}
	for name, test := range map[string]struct {
		op   effect.Operator[int, int]
		ends func(n int) error
		runs int
		want error
	}{
		"the first run yields":      {effect.Retry[int](three), failsBefore(1), 1, nil},
		"the last run yields":       {effect.Retry[int](three), failsBefore(4), 4, nil},
		"no run yields":             {effect.Retry[int](three), failsBefore(9), 4, &notFound{"run 4"}},
		"a failure is not accepted": {effect.RetryWhile[int](schedule.Forever(), func(err error) bool { return !errors.Is(err, errBoom) }), boomAt3(&busy{}), 3, errBoom},
		"repeated":                  {effect.Repeat[int](three), failsBefore(1), 4, nil},
		"repeated until it fails":   {effect.Repeat[int](schedule.Forever()), boomAt3(nil), 3, errBoom},
	} {
		runs := 0
		n, err := test.op(numbered(&runs, test.ends))(t.Context())
		assert.Equal(t, test.want, err, name)
		assert.Equal(t, test.runs, runs, name)
		assert.Equal(t, runs, n, name)
	}
}

func TestRetryStopsAtOnceWhenTheContextEndsAndKeepsTheLastFailure(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]schedule.Schedule{"while it waits": schedule.Spaced(time.Hour), "in a run": schedule.Forever()} {
		for _, cause := range []error{nil, errCause} {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				start := time.Now()
				time.AfterFunc(time.Second+time.Millisecond, func() { cancel(cause) })
				_, err := effect.Retry[int](s)(beside(100*time.Millisecond, 0, &notFound{"x"}))(ctx)
				assert.LessOrEqual(t, time.Since(start), 1100*time.Millisecond, name)
				require.ErrorIs(t, err, context.Canceled, name)
				require.ErrorIs(t, err, context.Cause(ctx), name)
				require.ErrorAs(t, err, new(*notFound), name)
			})
		}
	}
	unasked := effect.RetryWhile[int](schedule.Forever().Tap(func(schedule.Step) { t.Error("stepped") }),
		func(error) bool { t.Error("asked"); return true })
	_, err := unasked(effect.Fail[int](errBoom))(canceled(errCause))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, errCause)
	require.ErrorIs(t, err, errBoom)
}

// cutShort fails with a notFound, and runs eff when it is retried.
func cutShort(eff effect.Effect[int]) effect.Effect[int] {
	return func(ctx context.Context) (int, error) {
		runs := 0
		return effect.Retry[int](schedule.Recurs(1))(func(ctx context.Context) (int, error) {
			if runs++; runs == 1 {
				return 0, &notFound{"x"}
			}
			return eff(ctx)
		})(ctx)
	}
}

func TestHazard63_AFailureBeforeTheRunThatTheContextCutShortIsHistory(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		cut  effect.Effect[int]
		also error
	}{
		"that says so itself":           {func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }, nil},
		"that gives the cause":          {func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, context.Cause(ctx) }, nil},
		"that is interrupted":           {untilCancelled[int], nil},
		"that fails in another way":     {func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, errBoom }, errBoom},
		"whose finalizer fails as well": {effect.Ensuring[int](effect.Fail[effect.Void](errClose))(untilCancelled[int]), errClose},
	} {
		inBubble(t, func(ctx context.Context) {
			_, err := cutShort(test.cut)(ctx)
			require.ErrorIs(t, err, context.Canceled, name)
			require.ErrorIs(t, err, errCause, name)
			require.NotErrorAs(t, err, new(*notFound), name)
			require.ErrorContains(t, err, "(before that: x not found)", name)
			require.True(t, test.also == nil || errors.Is(err, test.also), name)
			require.True(t, effect.RunExit(ctx, effect.Fail[int](err)).IsInterruption(), name)
		})
	}
}

func TestHazard63_AFailureBeforeTheRunThatATimeoutCutShortIsHistory(t *testing.T) {
	t.Parallel()
	for want, cut := range map[string]effect.Effect[int]{
		"timed out after 1s: x not found":                             untilCancelled[int],
		"timed out after 1s: close failed (before that: x not found)": effect.Ensuring[int](effect.Fail[effect.Void](errClose))(untilCancelled[int]),
	} {
		synctest.Test(t, func(t *testing.T) {
			_, err := effect.Timeout[int](time.Second)(cutShort(cut))(t.Context())
			require.EqualError(t, err, want)
			require.ErrorAs(t, err, new(*effect.TimeoutError))
			require.NotErrorAs(t, err, new(*notFound))
		})
	}
}

func TestHazard60_EachOfTheJoinedFailuresMustBeAcceptedForARetry(t *testing.T) {
	t.Parallel()
	isBusy := func(err error) bool { return errors.As(err, new(*busy)) }
	for name, retry := range map[string]effect.Operator[int, int]{
		"RetryWhile": effect.RetryWhile[int](schedule.Recurs(2), isBusy),
		"WhileError": effect.Retry[int](schedule.Recurs(2).WhileError(isBusy)),
	} {
		for want, err := range map[int]error{
			1: errors.Join(&busy{}, errBoom),
			3: fmt.Errorf("work: %w", errors.Join(&busy{}, fmt.Errorf("release: %w", &busy{}))),
		} {
			runs := 0
			n, got := retry(numbered(&runs, func(int) error { return err }))(t.Context())
			assert.Equal(t, want, runs, name)
			assert.Equal(t, err, got, name)
			assert.Equal(t, want, n, "%s: the value beside the last failure", name)
		}
	}
}
