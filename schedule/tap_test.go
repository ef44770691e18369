package schedule_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/schedule"
)

func TestTapSeesEachStepThatGoesOn(t *testing.T) {
	t.Parallel()
	var seen []schedule.Step
	sched := schedule.Linear(s).Intersect(schedule.Recurs(3)).Tap(func(step schedule.Step) { seen = append(seen, step) })
	failure := errors.New("failure")

	answers(sched, []step{{0, failure}, {5 * s, nil}, {9 * s, failure}, {10 * s, failure}})

	assert.Equal(t, []schedule.Step{
		{Attempt: 1, Elapsed: 0, Delay: s, Err: failure},
		{Attempt: 2, Elapsed: 5 * s, Delay: 2 * s},
		{Attempt: 3, Elapsed: 9 * s, Delay: 3 * s, Err: failure},
	}, seen)
}

func TestTapChangesNothing(t *testing.T) {
	t.Parallel()
	sched := schedule.Linear(s).Intersect(schedule.Recurs(3))
	steps := at(0, 1, 2, 3)
	assert.Equal(t, answers(sched, steps), answers(sched.Tap(func(schedule.Step) {}), steps))
}

func TestTapCountsFromWhereItsPartBegan(t *testing.T) {
	t.Parallel()
	var seen []schedule.Step
	tapped := schedule.Elapsed().Tap(func(step schedule.Step) { seen = append(seen, step) })

	answers(schedule.Once().AndThen(tapped), at(0, 5*s, 7*s))
	assert.Equal(t, []schedule.Step{{Attempt: 1}, {Attempt: 2, Elapsed: 2 * s}}, seen)

	seen = nil
	answers(tapped.ResetAfter(10*s), at(0, s, 20*s, 21*s))
	assert.Equal(t, []schedule.Step{{Attempt: 1}, {Attempt: 2, Elapsed: s}, {Attempt: 1}, {Attempt: 2, Elapsed: s}}, seen)
}

func TestEachRunHasATapCountOfItsOwn(t *testing.T) {
	t.Parallel()
	var attempts []int
	sched := schedule.Forever().Tap(func(step schedule.Step) { attempts = append(attempts, step.Attempt) })
	answers(sched, at(0, 1))
	answers(sched, at(0, 1))
	assert.Equal(t, []int{1, 2, 1, 2}, attempts)
}
