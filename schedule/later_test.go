package schedule_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/schedule"
)

func TestNextIsAskedForLaterTimesUntilItsMomentIsAfterNow(t *testing.T) {
	t.Parallel()
	minute := time.Minute
	for name, c := range map[string]struct {
		next   func(time.Time) time.Time
		delays durations
	}{
		"now":             {func(now time.Time) time.Time { return now }, durations{minute, minute}},
		"an hour ago":     {func(now time.Time) time.Time { return now.Add(-h) }, durations{minute, minute}},
		"always same":     {func(time.Time) time.Time { return begin }, nil},
		"a day ago":       {func(now time.Time) time.Time { return now.Add(-24 * h) }, nil},
		"a single one":    {func(time.Time) time.Time { return begin.Add(h) }, durations{h}},
		"in a millennium": {func(now time.Time) time.Time { return now.AddDate(1000, 0, 0) }, durations{maxDuration, maxDuration}},
	} {
		assert.Equal(t, c.delays, schedule.At(c.next).Delays(2), name)
	}
}

// The day that ends at three began three hours before it, says this next, but not on the day
// on which summer time begins: at three it returns three o'clock again.
func TestAMomentIsNotRepeatedWhenSummerTimeBegins(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	at := schedule.At(func(now time.Time) time.Time {
		day := now.In(berlin).Add(-3 * h)
		return time.Date(day.Year(), day.Month(), day.Day()+1, 3, 0, 0, 0, berlin)
	})
	d := at.Driver()
	now := time.Date(2026, time.March, 28, 12, 0, 0, 0, berlin)
	var delays durations
	for range 3 {
		delay, ok := d.Next(now, nil)
		require.True(t, ok)
		delays, now = append(delays, delay), now.Add(delay)
	}
	assert.Equal(t, durations{14 * h, 24 * h, 24 * h}, delays)
}

// A step before its time follows a run that another part of a Union asked for. All stages that
// replace delays agree on that: an inner one once took it for its own run.
func TestAnEarlyStepIsOneForEachStageThatReplacesDelays(t *testing.T) {
	t.Parallel()
	half := func(d time.Duration) time.Duration { return d/2 + 1 }
	twice := func(d time.Duration) time.Duration { return half(half(d)) }
	steps := []step{{now: 0}, {now: 9}, {now: 9}, {now: 9}}
	assert.Equal(t, answers(schedule.Fixed(5).Delayed(twice), steps), answers(schedule.Fixed(5).Delayed(half).Delayed(half), steps))
}
