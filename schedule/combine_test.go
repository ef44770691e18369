package schedule_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/schedule"
)

func TestCombinations(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		schedule schedule.Schedule
		want     durations
	}{
		"Intersect takes the longer delay": {
			schedule.Exponential(s).Intersect(schedule.Spaced(3 * s)), durations{3 * s, 3 * s, 4 * s, 8 * s, 16 * s, 32 * s},
		},
		"Intersect ends with the first to end": {
			schedule.Spaced(s).Intersect(schedule.Recurs(2)), durations{s, s},
		},
		"Union takes the shorter delay": {
			schedule.Exponential(s).Union(schedule.Spaced(3 * s)), durations{s, 2 * s, 3 * s, 3 * s, 3 * s, 3 * s},
		},
		"Union goes on with the one that is left": {
			schedule.Recurs(2).Union(schedule.Linear(s)), durations{0, 0, 3 * s, 4 * s, 5 * s, 6 * s},
		},
		"Union ends with the last to end": {
			schedule.Spaced(s).Intersect(schedule.Recurs(1)).Union(schedule.Recurs(3)), durations{0, 0, 0},
		},
		"AndThen begins when the first has ended": {
			schedule.Recurs(2).AndThen(schedule.Linear(s)), durations{0, 0, s, 2 * s, 3 * s, 4 * s},
		},
		"AndThen ends with the second": {
			schedule.Once().AndThen(schedule.Spaced(s).Intersect(schedule.Recurs(2))), durations{0, s, s},
		},
		"AndThen starts the clock of the second in its turn": {
			schedule.Spaced(10 * s).Intersect(schedule.Recurs(2)).AndThen(schedule.Spaced(s).UpTo(2 * s)),
			durations{10 * s, 10 * s, s, s},
		},
		"AndThen does not go back": {
			schedule.Once().ResetAfter(5 * s).AndThen(schedule.Spaced(10 * s)), durations{0, 10 * s, 10 * s, 10 * s, 10 * s, 10 * s},
		},
		"Union goes on asking one that has ended": {
			// Left ends at the second step; ten seconds later it begins again.
			schedule.Once().ResetAfter(5 * s).Union(schedule.Spaced(10 * s)), durations{0, 10 * s, 0, 10 * s, 0, 10 * s},
		},
		"the left one's state is apart from the right one's": {
			schedule.Linear(s).Intersect(schedule.Fibonacci(s)), durations{s, 2 * s, 3 * s, 4 * s, 5 * s, 8 * s},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, test.schedule.Delays(6))
		})
	}
}
