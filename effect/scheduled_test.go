package effect_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/schedule"
)

// times notes when an effect runs, counted from the start.
func times(start time.Time, at *[]time.Duration, e void) void {
	return func(ctx context.Context) (effect.Void, error) {
		*at = append(*at, time.Since(start))
		return e(ctx)
	}
}

func TestScheduledWaitsBeforeEachRun(t *testing.T) {
	t.Parallel()
	const s = time.Second
	succeeds := effect.Succeed(effect.Void{})
	failsAt := func(n int, err error) void {
		runs := 0
		return func(context.Context) (none effect.Void, _ error) {
			if runs++; runs == n {
				return none, err
			}
			return none, nil
		}
	}
	for name, test := range map[string]struct {
		schedule schedule.Schedule
		e        void
		at       []time.Duration
		takes    time.Duration
		want     error
	}{
		"until the schedule ends":    {schedule.Exponential(s).Intersect(schedule.Recurs(3)), succeeds, []time.Duration{s, 3 * s, 7 * s}, 7 * s, nil},
		"until a run fails":          {schedule.Spaced(s), failsAt(2, errBoom), []time.Duration{s, 2 * s}, 2 * s, errBoom},
		"until the context ends":     {schedule.Spaced(4 * s), succeeds, []time.Duration{4 * s, 8 * s}, 10 * s, errCause},
		"though its effect does not": {schedule.Spaced(0), do(func() { time.Sleep(6 * s) }), []time.Duration{0, 6 * s}, 12 * s, errCause},
		"on the beat":                {schedule.Fixed(2 * s).UpTo(6 * s), do(func() { time.Sleep(s / 2) }), []time.Duration{2 * s, 4 * s, 6 * s}, 13 * s / 2, nil},
		"never":                      {schedule.Stop(), succeeds, nil, 0, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(10*s, func() { cancel(errCause) })
			start := time.Now()
			var at []time.Duration
			_, err := effect.Scheduled(test.schedule)(times(start, &at, test.e))(ctx)
			assert.ErrorIs(t, err, test.want, name)
			assert.Equal(t, test.at, at, name)
			assert.Equal(t, test.takes, time.Since(start), name)
			assert.True(t, ctx.Err() == nil || err == nil || effect.RunExit(ctx, effect.Fail[int](err)).IsInterruption(), name)
		})
	}
}

func TestTheValueOfAScheduledEffectIsThatOfTheLastRunAlsoWhenItIsInterrupted(t *testing.T) {
	t.Parallel()
	inBubble(t, func(ctx context.Context) {
		runs := 0
		n, err := effect.With(numbered(&runs, func(int) error { return nil }), effect.Scheduled(schedule.Spaced(300*time.Millisecond)))(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, errCause)
		require.Equal(t, 3, n)
	})
}

func TestForeverEndsWithAFailureOrWithItsContext(t *testing.T) {
	t.Parallel()
	runs := 0
	never, err := effect.Forever(numbered(&runs, func(n int) error {
		if n == 5 {
			return errBoom
		}
		return nil
	}))(t.Context())
	require.Equal(t, errBoom, err)
	require.Equal(t, 5, runs)
	require.Nil(t, never)

	inBubble(t, func(ctx context.Context) {
		start := time.Now()
		_, err := effect.Forever(beside(300*time.Millisecond, 1, nil))(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, errCause)
		require.Equal(t, 1200*time.Millisecond, time.Since(start))
	})

	_, err = effect.Forever(do(func() { t.Error("started") }))(canceled(errCause))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, errCause)
}
