package schedule_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/schedule"
)

func TestRunsThatTakeTime(t *testing.T) {
	t.Parallel()
	// runs are the times that the runs after the first one take.
	tests := map[string]struct {
		schedule schedule.Schedule
		runs     durations
		want     durations
	}{
		"Spaced waits in full after each run": {
			schedule.Spaced(s), durations{300 * ms, 2500 * ms, 0}, durations{s, s, s, s},
		},
		"Fixed keeps the beat of its first step": {
			schedule.Fixed(s), durations{300 * ms, 999 * ms, 1}, durations{s, 700 * ms, 1 * ms, s - 1},
		},
		"Fixed starts at once after an overrun, and makes up for nothing": {
			// The run due at 1 s ends at 4.5 s. The next starts there, the one
			// after it on the beat again.
			schedule.Fixed(s), durations{3500 * ms, 100 * ms, 0}, durations{s, 0, 400 * ms, s},
		},
		"Fixed waits a whole interval after a run that ends on the beat": {
			schedule.Fixed(s), durations{s, 0}, durations{s, s, s},
		},
		"Fixed runs at once, one nanosecond past the beat": {
			schedule.Fixed(s), durations{s + 1, 0}, durations{s, 0, s - 1},
		},
		"Fixed at once again after a second overrun": {
			schedule.Fixed(s), durations{1500 * ms, 1500 * ms, 0}, durations{s, 0, 0, s},
		},
		"Windowed waits for the next boundary after an overrun": {
			schedule.Windowed(s), durations{3500 * ms, 100 * ms, 0}, durations{s, 500 * ms, 900 * ms, s},
		},
		"Windowed waits a whole window after a run that ends on a boundary": {
			schedule.Windowed(s), durations{2 * s, 0}, durations{s, s, s},
		},
		"Fixed counts from its own first step": {
			schedule.Once().AndThen(schedule.Fixed(s)), durations{300 * ms, 400 * ms, 0}, durations{0, s, 600 * ms, s},
		},
	}
	// The beat is further away than any time.
	assert.Equal(t, durations{0, forEver, forEver - 1}, answers(schedule.Once().AndThen(schedule.Fixed(forEver)), at(0, 5, 6)))
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, delaysOfRuns(test.schedule, test.runs))
		})
	}
}

func delaysOfRuns(sched schedule.Schedule, runs durations) durations {
	now := time.Now()
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
