package schedule_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/effectlock/effectlock/schedule"
)

func TestGrowingDelaysSaturate(t *testing.T) {
	t.Parallel()
	for name, sched := range map[string]schedule.Schedule{
		"Exponential":             schedule.Exponential(100 * ms),
		"Exponential of 1 ns":     schedule.Exponential(1),
		"Exponential, largest":    schedule.Exponential(forEver),
		"factor 1.01":             schedule.ExponentialFactor(s, 1.01),
		"factor of infinity":      schedule.ExponentialFactor(1, math.Inf(1)),
		"Linear":                  schedule.Linear(forEver / 5000),
		"Fibonacci":               schedule.Fibonacci(ms),
		"Fibonacci, largest":      schedule.Fibonacci(forEver),
		"Delayed back and forth":  schedule.Exponential(s).Delayed(func(d time.Duration) time.Duration { return d - 1 }).Delayed(func(d time.Duration) time.Duration { return d + 1 }),
		"jittered far upwards":    schedule.Exponential(s).JitteredBetween(2, 3),
		"jittered past any bound": schedule.Spaced(1).JitteredBetween(math.MaxFloat64, math.MaxFloat64),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			delays := sched.Delays(10_001)
			require.Len(t, delays, 10_001)
			assert.Equal(t, forEver, delays[10_000])
			if name != "jittered far upwards" {
				assert.IsNonDecreasing(t, delays)
			}
		})
	}
}

func TestExponentialIsExactUntilItSaturates(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		base := time.Duration(rapid.Int64Min(1).Draw(t, "base"))
		want := base
		for i, got := range schedule.Exponential(base).Delays(70) {
			require.Equal(t, want, got, "recurrence %d", i)
			if want > forEver/2 {
				want = forEver
			} else {
				want *= 2
			}
		}
	})
}

func TestFactorsOutOfTheOrdinary(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		base   time.Duration
		factor float64
		want   durations
	}{
		"0":                         {s, 0, durations{s, 0, 0, 0}},
		"not a number":              {s, math.NaN(), durations{s, 0, 0, 0}},
		"infinity":                  {s, math.Inf(1), durations{s, forEver, forEver, forEver}},
		"negative":                  {s, -2, durations{s, 0, 4 * s, 0}},
		"negative infinity":         {s, math.Inf(-1), durations{s, 0, forEver, 0}},
		"infinity, of nothing":      {0, math.Inf(1), durations{0, 0, 0, 0}},
		"larger than any duration":  {1, math.MaxUint64, durations{1, forEver, forEver, forEver}},
		"whole, past 2^63":          {1, 1 << 63, durations{1, forEver, forEver, forEver}},
		"whole, up to 2^62":         {1, 1 << 62, durations{1, 1 << 62, forEver, forEver}},
		"exact past 53 bits":        {1<<60 + 1, 2, durations{1<<60 + 1, 1<<61 + 2, 1<<62 + 4, forEver}},
		"a tiny fraction":           {s, 1e-300, durations{s, 0, 0, 0}},
		"not quite past a duration": {forEver, 0.5, durations{forEver, 1 << 62, 1 << 61, 1 << 60}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, schedule.ExponentialFactor(test.base, test.factor).Delays(4))
		})
	}
}
