package schedule_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/schedule"
)

func TestADriverThatHasEndedStaysEndedAndCarriesNoDelay(t *testing.T) {
	t.Parallel()
	accept := false
	d := schedule.Spaced(s).WhileError(func(error) bool { return accept }).Driver()
	for range 2 {
		delay, ok := d.Next(time.Now(), assert.AnError)
		require.False(t, ok)
		require.Zero(t, delay)
		accept = true
	}
}

func TestTimeBeginsWithTheFirstStep(t *testing.T) {
	t.Parallel()
	// Time before the first step, such as the first run, is not counted.
	for _, begin := range []time.Time{{}, time.Unix(0, 0), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)} {
		d := schedule.Spaced(s).UpTo(10 * s).Driver()
		for _, after := range []time.Duration{0, 10*s - 1, 10 * s} {
			_, ok := d.Next(begin.Add(after), nil)
			assert.Equal(t, after < 10*s, ok)
		}
	}
}

func TestAClockThatIsSetBackMakesNoDelayNegativeOrLonger(t *testing.T) {
	t.Parallel()
	back := at(0, 1500*ms, 200*ms, -time.Hour, 300*ms)
	for name, test := range map[string]struct {
		schedule schedule.Schedule
		want     durations
	}{
		"Fixed":                      {schedule.Fixed(s), durations{s, 500 * ms, 800 * ms, s, 700 * ms}},
		"Windowed":                   {schedule.Windowed(s), durations{s, 500 * ms, 800 * ms, s, 700 * ms}},
		"UpTo":                       {schedule.Spaced(s).UpTo(2 * s), durations{s, s, s, s, s}},
		"ResetAfter":                 {schedule.Linear(s).ResetAfter(2 * s), durations{s, 2 * s, 3 * s, 4 * s, 5 * s}},
		"of a part that began later": {schedule.Recurs(1).AndThen(schedule.Windowed(s)), durations{0, s, s, s, s}},
	} {
		assert.Equal(t, test.want, answers(test.schedule, back), name)
	}
}

// delaysOfRuns drives a schedule whose runs after the first one take the times in runs.
func delaysOfRuns(sched schedule.Schedule, runs durations) durations {
	now := begin
	d := sched.Driver()
	delays := durations{}
	for i := 0; ; i++ {
		delay, ok := d.Next(now, nil)
		if !ok {
			return delays
		}
		delays = append(delays, delay)
		if i == len(runs) {
			return delays
		}
		now = now.Add(delay).Add(runs[i])
	}
}

func TestRunsThatTakeTime(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		schedule schedule.Schedule
		runs     durations
		want     durations
	}{
		"Spaced waits in full after each run":            {schedule.Spaced(s), durations{300 * ms, 2500 * ms, 0}, durations{s, s, s, s}},
		"Fixed keeps the beat of its first step":         {schedule.Fixed(s), durations{300 * ms, 999 * ms, 1}, durations{s, 700 * ms, 1 * ms, s - 1}},
		"Fixed starts at once after an overrun":          {schedule.Fixed(s), durations{3500 * ms, 100 * ms, 0}, durations{s, 0, 400 * ms, s}}, // and does not catch up
		"Fixed waits a beat after a run that ends on it": {schedule.Fixed(s), durations{s, 0}, durations{s, s, s}},
		"Fixed runs at once, 1 ns past the beat":         {schedule.Fixed(s), durations{s + 1, 0}, durations{s, 0, s - 1}},
		"Fixed at once again after a second overrun":     {schedule.Fixed(s), durations{1500 * ms, 1500 * ms, 0}, durations{s, 0, 0, s}},
		"Windowed waits for the next boundary":           {schedule.Windowed(s), durations{3500 * ms, 100 * ms, 0}, durations{s, 500 * ms, 900 * ms, s}},
		"Windowed waits a window after a boundary":       {schedule.Windowed(s), durations{2 * s, 0}, durations{s, s, s}},
		"Fixed counts from its own first step":           {schedule.Once().AndThen(schedule.Fixed(s)), durations{300 * ms, 400 * ms, 0}, durations{0, s, 600 * ms, s}},
	} {
		assert.Equal(t, test.want, delaysOfRuns(test.schedule, test.runs), name)
	}
	assert.Equal(t, durations{0, maxDuration, maxDuration - 1}, answers(schedule.Once().AndThen(schedule.Fixed(maxDuration)), at(0, 5, 6)))
}

func TestARunAllocatesOnlyItsState(t *testing.T) {
	// Not parallel: the allocations of other tests would be counted.
	now := time.Now()
	for name, test := range map[string]struct {
		schedule schedule.Schedule
		most     float64
	}{
		"Forever":     {schedule.Forever(), 0},
		"Spaced":      {schedule.Spaced(s).Jittered(), 0},
		"Exponential": {schedule.Exponential(s), 1},
		"chain":       {schedule.Exponential(s).Jittered().CapDelay(s).UpTo(time.Minute).Intersect(schedule.Recurs(9)), 1},
		"Tap":         {schedule.Fixed(s).DelayedBy(func(step schedule.Step) time.Duration { return step.Delay }).Tap(func(schedule.Step) {}), 1},
		"At":          {schedule.At(every(s)), 2},
		"Unfold":      {schedule.Unfold(s, halves), 2},
	} {
		allocations := testing.AllocsPerRun(100, func() {
			d := test.schedule.Driver()
			for range 5 {
				d.Next(now, nil)
			}
		})
		assert.LessOrEqual(t, allocations, test.most, "%s: more than its state was allocated", name)
	}
}
