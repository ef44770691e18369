package schedule_test

import (
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/schedule"
)

func TestUpToEndsTheScheduleOnceTheTimeHasPassed(t *testing.T) {
	t.Parallel()
	steps := at(0, 500*ms, s, s+1)
	spaced := schedule.Spaced(5 * s)
	assert.Equal(t, durations{5 * s, 5 * s}, answers(spaced.UpTo(s), steps), "at exactly d it has passed")
	assert.Equal(t, durations{5 * s, 5 * s, 5 * s}, answers(spaced.UpTo(s+1), steps))
	assert.Equal(t, durations{5 * s}, answers(spaced.UpTo(1), steps))
	assert.Empty(t, answers(spaced.UpTo(0), steps))
	assert.Empty(t, answers(spaced.UpTo(-s), steps))
}

func TestWhileErrorAsksAboutEachFailure(t *testing.T) {
	t.Parallel()
	notEOF := schedule.Linear(s).WhileError(func(err error) bool { return !errors.Is(err, io.EOF) })
	other := errors.New("other")

	assert.Equal(t, durations{s, 2 * s}, answers(notEOF, []step{{0, other}, {1, other}, {2, io.EOF}, {3, other}}))
	assert.Equal(t, durations{s, 2 * s, 3 * s}, answers(notEOF, at(0, 1, 2)), "a repeat goes on")
	assert.Empty(t, answers(schedule.Stop().WhileError(func(error) bool { return true }), []step{{0, other}}))
}

func TestWhileErrorIsNotAskedWithoutAFailure(t *testing.T) {
	t.Parallel()
	sched := schedule.Recurs(3).WhileError(func(error) bool { t.Error("asked"); return false })
	assert.Len(t, answers(sched, at(0, 1, 2)), 3)
}

func TestResetAfterStartsAnewAfterAPause(t *testing.T) {
	t.Parallel()
	linear := schedule.Linear(s)
	tests := map[string]struct {
		schedule schedule.Schedule
		steps    []step
		want     durations
	}{
		"no pause":                     {linear.ResetAfter(10 * s), at(0, s, 2*s), durations{s, 2 * s, 3 * s}},
		"a pause of d":                 {linear.ResetAfter(10 * s), at(0, s, 11*s, 12*s), durations{s, 2 * s, s, 2 * s}},
		"a pause just short of d":      {linear.ResetAfter(10 * s), at(0, s, 11*s-1), durations{s, 2 * s, 3 * s}},
		"busy for longer than d":       {linear.ResetAfter(10 * s), at(0, 9*s, 18*s, 27*s), durations{s, 2 * s, 3 * s, 4 * s}},
		"0 makes all steps first ones": {linear.ResetAfter(0), at(0, 0, s), durations{s, s, s}},
		"a limit begins again":         {schedule.Recurs(2).ResetAfter(s), at(0, 1, 2*s, 2*s+1, 2*s+2), durations{0, 0, 0, 0}},
		"just before it would end":     {schedule.Once().ResetAfter(s), at(0, s, 2*s, 3*s), durations{0, 0, 0, 0}},
		"the clock inside as well":     {schedule.Spaced(1).UpTo(s).ResetAfter(10 * s), at(0, 10*s, 20*s), durations{1, 1, 1}},
		"not the clock outside":        {schedule.Spaced(1).ResetAfter(10 * s).UpTo(s), at(0, 10*s, 20*s), durations{1}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, answers(test.schedule, test.steps))
		})
	}
}
