package schedule_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/schedule"
)

func TestDelaysThatAreChanged(t *testing.T) {
	t.Parallel()
	linear := schedule.Linear(s)
	minus := func(d time.Duration) time.Duration { return d - 2*s }
	tests := map[string]struct {
		schedule schedule.Schedule
		want     durations
	}{
		"Delayed maps":                    {linear.Delayed(func(d time.Duration) time.Duration { return 10 * d }), durations{10 * s, 20 * s, 30 * s}},
		"Delayed clamps below 0":          {linear.Delayed(minus), durations{0, 0, s}},
		"CapDelay":                        {linear.CapDelay(2 * s), durations{s, 2 * s, 2 * s}},
		"CapDelay negative":               {linear.CapDelay(-s), durations{0, 0, 0}},
		"in the order of the chain":       {linear.CapDelay(2 * s).Delayed(minus), durations{0, 0, 0}},
		"jitter of exactly 1":             {linear.JitteredBetween(1, 1), durations{s, 2 * s, 3 * s}},
		"jitter of exactly 1.5":           {linear.JitteredBetween(1.5, 1.5), durations{1500 * ms, 3 * s, 4500 * ms}},
		"jitter of not a number":          {linear.JitteredBetween(math.NaN(), 1), durations{0, 0, 0}},
		"jitter below 0":                  {linear.JitteredBetween(-2, -1), durations{0, 0, 0}},
		"jitter of infinity":              {linear.JitteredBetween(math.Inf(-1), math.Inf(1)), durations{0, 0, 0}},
		"jitter, then cap, stays below":   {linear.JitteredBetween(5, 6).CapDelay(s), durations{s, s, s}},
		"no delay stays so with jitter":   {schedule.Recurs(3).Jittered(), durations{0, 0, 0}},
		"Delayed makes nothing last more": {schedule.Once().Delayed(func(time.Duration) time.Duration { return s }), durations{s}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, test.schedule.Delays(3))
		})
	}
}

func TestJitterFillsItsRange(t *testing.T) {
	t.Parallel()
	spaced := schedule.Spaced(100 * s)
	for name, test := range map[string]struct {
		schedule schedule.Schedule
		lo, hi   time.Duration
	}{
		"Jittered":                    {spaced.Jittered(), 80 * s, 120 * s},
		"JitteredBetween":             {spaced.JitteredBetween(0, 1), 0, 100 * s},
		"JitteredBetween, backwards":  {spaced.JitteredBetween(3, 0.5), 50 * s, 300 * s},
		"JitteredBetween, from below": {spaced.JitteredBetween(-1, 1), 0, 100 * s},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			delays := test.schedule.Delays(10_000)
			least, most := slices.Min(delays), slices.Max(delays)
			edge := (test.hi - test.lo) / 50
			assert.GreaterOrEqual(t, least, test.lo)
			assert.LessOrEqual(t, most, test.hi)
			assert.Less(t, least, test.lo+edge, "the lower end is reached")
			assert.Greater(t, most, test.hi-edge, "the upper end is reached")
		})
	}
}

func TestRunsAreJitteredApart(t *testing.T) {
	t.Parallel()
	sched := schedule.Exponential(s).Jittered()
	assert.NotEqual(t, answers(sched, at(0, 1, 2)), answers(sched, at(0, 1, 2)))
}
