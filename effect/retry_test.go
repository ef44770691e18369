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

// gaps runs op on an effect that always ends with err, and lists the times
// between its runs.
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

func TestRetryAndRepeatWaitAsTheScheduleSays(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]schedule.Schedule{
		"zero value":  {},
		"Stop":        schedule.Stop(),
		"Once":        schedule.Once(),
		"Recurs":      schedule.Recurs(4),
		"Spaced":      schedule.Spaced(time.Second).UpTo(4500 * time.Millisecond),
		"Exponential": schedule.Exponential(100 * time.Millisecond).CapDelay(time.Second).UpTo(5 * time.Second),
		"AndThen":     schedule.Recurs(2).AndThen(schedule.Fibonacci(time.Second).Intersect(schedule.Recurs(5))),
	} {
		synctest.Test(t, func(t *testing.T) {
			want := s.Delays(50)
			assert.Equal(t, want, gaps(t, effect.Retry[int](s), errBoom), name)
			assert.Equal(t, want, gaps(t, effect.RetryWhile[int](s, func(error) bool { return true }), errBoom), name)
			assert.Equal(t, want, gaps(t, effect.Repeat[int](s), nil), name)
		})
	}
}

func TestTheTimeThatARunTakesCountsForTheSchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start, runs := time.Now(), 0
		_, err := effect.Retry[int](schedule.Fixed(time.Second).UpTo(3 * time.Second))(func(context.Context) (int, error) {
			runs++
			time.Sleep(400 * time.Millisecond)
			return 0, errBoom
		})(t.Context())
		assert.Equal(t, errBoom, err)
		assert.Equal(t, 4, runs)
		assert.Equal(t, 3800*time.Millisecond, time.Since(start), "runs start 1 s, 2 s and 3 s after the first one ended")
	})
}

func TestRetryYieldsTheFirstValueAndFailsWithTheLastFailure(t *testing.T) {
	t.Parallel()
	for _, succeedsAt := range []int{1, 2, 4, 5} {
		run := 0
		n, err := effect.Retry[int](schedule.Recurs(3))(func(context.Context) (int, error) {
			if run++; run == succeedsAt {
				return run, nil
			}
			return 0, &notFound{fmt.Sprint("run ", run)}
		})(t.Context())
		if succeedsAt <= 4 {
			require.NoError(t, err)
			assert.Equal(t, succeedsAt, n)
			continue
		}
		assert.Equal(t, &notFound{"run 4"}, err, "as it was")
	}
}

func TestRetryWhileStopsAtAFailureThatIsNotAccepted(t *testing.T) {
	t.Parallel()
	runs := 0
	transient := func(err error) bool { return !errors.Is(err, errBoom) }
	_, err := effect.RetryWhile[int](schedule.Forever(), transient)(func(context.Context) (int, error) {
		if runs++; runs == 3 {
			return 0, errBoom
		}
		return 0, &busy{}
	})(t.Context())
	assert.Equal(t, errBoom, err)
	assert.Equal(t, 3, runs)
}

func TestRetryDoesNotRetryADefect(t *testing.T) {
	t.Parallel()
	runs := 0
	counted := func(eff effect.Effect[int]) effect.Effect[int] {
		return func(ctx context.Context) (int, error) { runs++; return eff(ctx) }
	}
	retry := effect.Retry[int](schedule.Recurs(3))
	late := effect.Ensuring[int](panicking[effect.Void]("late"))(effect.Fail[int](errBoom))
	assert.Equal(t, "boom", observe(t.Context(), retry(counted(panicking[int]("boom")))).panicked)
	assert.True(t, observe(t.Context(), retry(counted(goexit[int]))).goexit)
	o := observe(t.Context(), retry(counted(late)))
	require.ErrorAs(t, o.err, new(*effect.Defect))
	assert.Equal(t, 3, runs)
}

func TestRetryStopsAtOnceWhenTheContextEndsAndKeepsTheLastFailure(t *testing.T) {
	t.Parallel()
	for name, retry := range map[string]effect.Operator[int, int]{
		"while it waits": effect.Retry[int](schedule.Spaced(time.Hour)),
		"RetryWhile":     effect.RetryWhile[int](schedule.Spaced(time.Hour), func(error) bool { return true }),
		"in a hot loop":  effect.Retry[int](schedule.Forever()),
	} {
		for _, cause := range []error{nil, errCause} {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				start := time.Now()
				time.AfterFunc(time.Second+time.Millisecond, func() { cancel(cause) })
				runs := 0
				_, err := retry(func(context.Context) (int, error) {
					runs++
					if name == "in a hot loop" {
						time.Sleep(100 * time.Millisecond)
					}
					return 0, &notFound{"x"}
				})(ctx)
				assert.LessOrEqual(t, time.Since(start), 1100*time.Millisecond, name)
				assert.LessOrEqual(t, runs, 11, name)
				require.ErrorIs(t, err, context.Canceled, name)
				require.ErrorIs(t, err, context.Cause(ctx), name)
				var last *notFound
				require.ErrorAs(t, err, &last, name)
				assert.Equal(t, "x", last.name)
			})
		}
	}
}

func TestHazard63_AFailureBeforeTheRunThatTheContextCutShortIsHistory(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]effect.Effect[int]{
		"that says so itself":           func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() },
		"that gives the cause":          func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, context.Cause(ctx) },
		"that is interrupted":           untilCancelled[int],
		"that fails in another way":     func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, &busy{} },
		"whose finalizer fails as well": effect.Ensuring[int](effect.Fail[effect.Void](errClose))(untilCancelled[int]),
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := deadline(time.Second)(t.Context())
			defer cancel()
			runs := 0
			_, err := effect.Retry[int](schedule.Recurs(1))(func(ctx context.Context) (int, error) {
				if runs++; runs == 1 {
					return 0, &notFound{"x"}
				}
				return cut(ctx)
			})(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded, name)
			require.ErrorIs(t, err, errCause, name)
			require.NotErrorAs(t, err, new(*notFound), name)
			require.ErrorContains(t, err, "(before that: x not found)", name)
			switch name {
			case "that fails in another way":
				require.ErrorAs(t, err, new(*busy), name)
			case "whose finalizer fails as well":
				require.ErrorIs(t, err, errClose, name)
			}

			exit := effect.RunExit(ctx, effect.Fail[int](err))
			require.True(t, exit.IsInterruption(), name)
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
			runs := 0
			_, err := effect.Timeout[int](time.Second)(effect.Retry[int](schedule.Recurs(1))(func(ctx context.Context) (int, error) {
				if runs++; runs == 1 {
					return 0, &notFound{"x"}
				}
				return cut(ctx)
			}))(t.Context())
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
			n, got := retry(func(context.Context) (int, error) { runs++; return runs, err })(t.Context())
			assert.Equal(t, want, runs, name)
			assert.Equal(t, err, got, name)
			assert.Equal(t, want, n, "%s: the value beside the last failure", name)
		}
	}
}

func TestRetryDoesNotAskAboutAFailureAfterTheContextHasEnded(t *testing.T) {
	t.Parallel()
	retry := effect.RetryWhile[int](schedule.Forever().Tap(func(schedule.Step) { t.Error("stepped") }),
		func(error) bool { t.Error("asked"); return true })
	_, err := retry(effect.Fail[int](errBoom))(canceled(errCause))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, errCause)
	require.ErrorIs(t, err, errBoom)
}

func TestRepeatYieldsTheLastValueAndFailsWithTheFirstFailure(t *testing.T) {
	t.Parallel()
	runs := 0
	n, err := effect.Repeat[int](schedule.Recurs(3))(func(context.Context) (int, error) { runs++; return runs, nil })(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 4, n)

	runs = 0
	_, err = effect.Repeat[int](schedule.Forever())(func(context.Context) (int, error) {
		if runs++; runs == 3 {
			return 0, errBoom
		}
		return runs, nil
	})(t.Context())
	assert.Equal(t, errBoom, err)
	assert.Equal(t, 3, runs)
}

func TestRepeatStopsAtOnceWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errCause)
		defer cancel()
		start := time.Now()
		_, err := effect.Repeat[int](schedule.Spaced(time.Hour))(effect.Succeed(1))(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, errCause)
		assert.Equal(t, time.Second, time.Since(start))
	})
}
