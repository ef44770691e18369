package schedule_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/effectlock/effectlock/schedule"
)

// halves waits for d, d/2, d/4 and so on, and ends before a delay of 0. A run that
// has just failed adds the number of its attempt.
func halves(d time.Duration, step schedule.Step) (half, delay time.Duration, ok bool) {
	delay = d
	if step.Err != nil {
		delay = d ^ time.Duration(step.Attempt)
	}
	return d / 2, delay, d != 0
}

// unfolded are built-in schedules as a caller would write them.
var unfolded = map[string]struct{ builtIn, unfolded schedule.Schedule }{
	"Forever": {schedule.Forever(), schedule.Unfold(struct{}{}, func(none struct{}, _ schedule.Step) (struct{}, time.Duration, bool) {
		return none, 0, true
	})},
	"Recurs": {schedule.Recurs(3), schedule.Unfold(3, func(left int, _ schedule.Step) (int, time.Duration, bool) {
		return left - 1, 0, left > 0
	})},
	"Linear": {schedule.Linear(3), schedule.Unfold(nil, func(_ any, step schedule.Step) (any, time.Duration, bool) {
		return nil, 3 * time.Duration(step.Attempt), true
	})},
	"Fibonacci": {schedule.Fibonacci(2), schedule.Unfold([2]time.Duration{2, 2}, func(next [2]time.Duration, _ schedule.Step) ([2]time.Duration, time.Duration, bool) {
		return [2]time.Duration{next[1], next[0] + next[1]}, next[0], true
	})},
	"UpTo": {schedule.Spaced(2).UpTo(9), schedule.Unfold(0, func(_ int, step schedule.Step) (int, time.Duration, bool) {
		return 0, 2, step.Elapsed < 9
	})},
	"WhileError": {schedule.Spaced(2).WhileError(func(error) bool { return false }), schedule.Unfold(0, func(_ int, step schedule.Step) (int, time.Duration, bool) {
		return 0, 2, step.Err == nil
	})},
}

func TestUnfoldCanSayWhatTheBuiltInSchedulesSay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		steps, other := anySteps.Draw(t, "steps"), anySchedule.Draw(t, "other")
		for name, pair := range unfolded {
			require.Equal(t, answers(pair.builtIn, steps), answers(pair.unfolded, steps), name)
			require.Equal(t, answers(other.AndThen(pair.builtIn.ResetAfter(9)), steps), answers(other.AndThen(pair.unfolded.ResetAfter(9)), steps), name)
		}
	})
}

func TestFromDelaysGivesBackTheDelaysOfASchedule(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		delays := anySchedule.Draw(t, "a").Delays(9)
		given := slices.Clone(delays)
		again := schedule.FromDelays(given...)
		for k := range given {
			given[k]++
		}
		require.Equal(t, delays, again.Delays(99))
	})
}

func TestUnfoldIsNotAskedAgainOnceItHasEnded(t *testing.T) {
	t.Parallel()
	var asked []int
	twice := schedule.Unfold(0, func(n int, _ schedule.Step) (int, time.Duration, bool) {
		asked = append(asked, n)
		return n + 1, s, n != 2
	})
	for range 2 {
		asked = nil
		assert.Equal(t, durations{s, s, h, h, h}, twice.Union(schedule.Spaced(h)).Delays(5))
		assert.Equal(t, []int{0, 1, 2}, asked, "each run begins with the initial state")
	}
	asked = nil
	restarted := twice.ResetAfter(h).Union(schedule.Spaced(h))
	assert.Equal(t, durations{s, s, h, s, s, h}, restarted.Delays(6))
	assert.Equal(t, []int{0, 1, 2, 0, 1, 2}, asked, "and so does each restart")
}

// Delay is 0 for Unfold, which has none yet, and what Linear wants for the others.
func TestCallersFunctionsSeeTheStep(t *testing.T) {
	t.Parallel()
	failure := errors.New("failure")
	var seen []schedule.Step
	see := func(step schedule.Step) time.Duration { seen = append(seen, step); return step.Delay }
	steps := []step{{0, failure}, {5 * s, nil}, {20 * s, failure}}
	bare := []schedule.Step{{Attempt: 1, Err: failure}, {Attempt: 2, Elapsed: 5 * s}, {Attempt: 3, Elapsed: 20 * s, Err: failure}}
	linear := []schedule.Step{{Attempt: 1, Delay: s, Err: failure}, {Attempt: 2, Elapsed: 5 * s, Delay: 2 * s}, {Attempt: 3, Elapsed: 20 * s, Delay: 3 * s, Err: failure}}
	reset := []schedule.Step{linear[0], linear[1], linear[0]}
	unfold := schedule.Unfold(0, func(n int, step schedule.Step) (int, time.Duration, bool) { see(step); return n, s, true })
	for name, test := range map[string]struct {
		schedule schedule.Schedule
		want     []schedule.Step
	}{
		"Unfold":                         {unfold, bare},
		"Unfold, in a counted chain":     {schedule.Stop().AndThen(unfold).DelayedBy(func(schedule.Step) time.Duration { return h }).Tap(func(schedule.Step) {}), bare},
		"DelayedBy":                      {schedule.Linear(s).DelayedBy(see), linear},
		"DelayedBy, around a counted":    {schedule.Linear(s).Tap(func(schedule.Step) {}).DelayedBy(see).Delayed(func(time.Duration) time.Duration { return h }), linear},
		"DelayedBy, after a reset":       {schedule.Linear(s).DelayedBy(see).ResetAfter(10 * s), reset},
		"DelayedBy, around a reset":      {schedule.Linear(s).ResetAfter(10 * s).DelayedBy(see), []schedule.Step{linear[0], linear[1], {Attempt: 3, Elapsed: 20 * s, Delay: s, Err: failure}}},
		"DelayedBy, on a schedule alone": {schedule.Spaced(s).DelayedBy(see), []schedule.Step{linear[0], {Attempt: 2, Elapsed: 5 * s, Delay: s}, {Attempt: 3, Elapsed: 20 * s, Delay: s, Err: failure}}},
	} {
		seen = nil
		answers(test.schedule, steps)
		assert.Equal(t, test.want, seen, name)
		seen = nil
		test.schedule.Delays(1)
		require.Len(t, seen, 1, "%s: Delays calls it", name)
		require.NoError(t, seen[0].Err, name)
	}
}

// A run that starts before its beat is due on it still: f replaces only what follows.
func TestDelayedByIsGivenTheDelayFromTheBeatBefore(t *testing.T) {
	t.Parallel()
	var wanted durations
	early := func(step schedule.Step) time.Duration { wanted = append(wanted, step.Delay); return s }
	for name, beat := range map[string]schedule.Schedule{"Fixed": schedule.Fixed(4 * s), "At": schedule.At(every(4 * s))} {
		wanted = nil
		assert.Equal(t, durations{s, 4 * s, 4 * s}, beat.DelayedBy(early).Delays(3), name)
		assert.Equal(t, durations{4 * s, 4 * s, 4 * s}, wanted, name)
	}
}
