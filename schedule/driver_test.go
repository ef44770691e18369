package schedule_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/schedule"
)

func TestADriverThatHasEndedStaysEnded(t *testing.T) {
	t.Parallel()
	accept := false
	d := schedule.Spaced(s).WhileError(func(error) bool { return accept }).Driver()
	_, ok := d.Next(time.Now(), assert.AnError)
	require.False(t, ok)
	accept = true
	delay, ok := d.Next(time.Now(), assert.AnError)
	assert.False(t, ok)
	assert.Zero(t, delay)
}

func TestTheLastAnswerCarriesNoDelay(t *testing.T) {
	t.Parallel()
	delay, ok := schedule.Spaced(s).Intersect(schedule.Stop()).Driver().Next(time.Now(), nil)
	assert.False(t, ok)
	assert.Zero(t, delay)
}

func TestTimeBeginsWithTheFirstStep(t *testing.T) {
	t.Parallel()
	// Whatever was before the first step, such as the first run, is not counted.
	for _, begin := range []time.Time{{}, time.Unix(0, 0), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)} {
		d := schedule.Spaced(s).UpTo(10 * s).Driver()
		_, ok := d.Next(begin, nil)
		assert.True(t, ok)
		_, ok = d.Next(begin.Add(10*s-1), nil)
		assert.True(t, ok)
		_, ok = d.Next(begin.Add(10*s), nil)
		assert.False(t, ok)
	}
}

func TestAClockThatIsSetBackMakesNoDelayNegativeOrLonger(t *testing.T) {
	t.Parallel()
	back := at(0, 1500*ms, 200*ms, -time.Hour, 300*ms)
	for name, test := range map[string]struct {
		schedule schedule.Schedule
		want     durations
	}{
		"Fixed":    {schedule.Fixed(s), durations{s, 500 * ms, 800 * ms, s, 700 * ms}},
		"Windowed": {schedule.Windowed(s), durations{s, 500 * ms, 800 * ms, s, 700 * ms}},
		"UpTo":     {schedule.Spaced(s).UpTo(2 * s), durations{s, s, s, s, s}},
		"ResetAfter": {schedule.Linear(s).ResetAfter(2 * s),
			durations{s, 2 * s, 3 * s, 4 * s, 5 * s}},
		"of a part that began later": {schedule.Recurs(1).AndThen(schedule.Windowed(s)),
			durations{0, s, s, s, s}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, answers(test.schedule, back))
		})
	}
}

func TestARunCostsAtMostOneAllocation(t *testing.T) {
	// Not parallel: the allocations of other tests would be counted.
	now := time.Now()
	for name, sched := range map[string]schedule.Schedule{
		"Forever":     schedule.Forever(),
		"Spaced":      schedule.Spaced(s),
		"Exponential": schedule.Exponential(s),
		"chain":       schedule.Exponential(s).Jittered().CapDelay(s).UpTo(time.Minute).Intersect(schedule.Recurs(9)),
	} {
		allocations := testing.AllocsPerRun(100, func() {
			d := sched.Driver()
			for range 5 {
				d.Next(now, nil)
			}
		})
		assert.LessOrEqual(t, allocations, 1.0, "%s: more than its state was allocated", name)
	}
}

func BenchmarkDriver(b *testing.B) {
	now := time.Now()
	for name, sched := range map[string]schedule.Schedule{
		"Spaced":      schedule.Spaced(s),
		"Exponential": schedule.Exponential(s),
		"chain":       schedule.Exponential(s).Jittered().CapDelay(s).UpTo(time.Minute),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sched.Driver().Next(now, nil)
			}
		})
	}
}
