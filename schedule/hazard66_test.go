package schedule_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/effectlock/effectlock/schedule"
)

// cadences are the schedules that keep a beat of a minute.
var cadences = map[string]schedule.Schedule{
	"Fixed":    schedule.Fixed(time.Minute),
	"Windowed": schedule.Windowed(time.Minute),
	"At":       schedule.At(every(time.Minute)),
	"inside a chain": schedule.Stop().AndThen(schedule.Fixed(time.Minute).Tap(func(schedule.Step) {})).
		ResetAfter(24 * time.Hour).WhileError(func(error) bool { return true }).UpTo(maxDuration).Intersect(schedule.Elapsed()),
	"beside one with no say": schedule.Fixed(time.Minute).Union(schedule.Spaced(maxDuration)),
}

// starts returns the times of n runs that take no time, without the first one.
func starts(sched schedule.Schedule, n int) durations {
	now := time.Duration(0)
	d := sched.Driver()
	var all durations
	for range n {
		delay, _ := d.Next(begin.Add(now), nil)
		now += delay
		all = append(all, now)
	}
	return all
}

func TestHazard66_AJitteredBeatHasOneRunABeat(t *testing.T) {
	t.Parallel()
	jitters := map[string]func(schedule.Schedule) schedule.Schedule{
		"Jittered": schedule.Schedule.Jittered,
		"JitteredBetween(0.95, 1.05)": func(s schedule.Schedule) schedule.Schedule {
			return s.JitteredBetween(0.95, 1.05)
		},
		"JitteredBetween(1, 1.2)": func(s schedule.Schedule) schedule.Schedule { return s.JitteredBetween(1, 1.2) },
		"always early":            func(s schedule.Schedule) schedule.Schedule { return s.JitteredBetween(0.8, 0.8) },
		"Delayed": func(s schedule.Schedule) schedule.Schedule {
			return s.Delayed(func(d time.Duration) time.Duration { return d - 20*time.Second })
		},
		"DelayedBy": func(s schedule.Schedule) schedule.Schedule {
			return s.DelayedBy(func(step schedule.Step) time.Duration {
				return step.Delay - time.Duration(step.Attempt%3)*10*time.Second
			})
		},
		"CapDelay": func(s schedule.Schedule) schedule.Schedule { return s.CapDelay(50 * time.Second) },
		"several of them": func(s schedule.Schedule) schedule.Schedule {
			return s.JitteredBetween(0.9, 1).CapDelay(57*time.Second).JitteredBetween(0.9, 1.1)
		},
	}
	for cadence, s := range cadences {
		for jitter, by := range jitters {
			last := 0.0
			for k, start := range starts(by(s), 1000) {
				beat := math.Round(start.Minutes())
				require.Greater(t, beat, last, "%s, %s: run %d at %v", cadence, jitter, k+1, start)
				last = beat
			}
			assert.LessOrEqual(t, last, 1005.0, "%s, %s: no beat is left out", cadence, jitter)
		}
	}
}

func TestHazard66_NoFactorMakesARunMoreThanThereAreBeats(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lo, hi := rapid.Float64Range(0, 1.2).Draw(t, "lo"), rapid.Float64Range(0, 1.2).Draw(t, "hi")
		for cadence, s := range cadences {
			runs := 1
			for _, start := range starts(s.JitteredBetween(lo, hi), 1100) {
				if start < 1000*time.Minute {
					runs++
				}
			}
			require.LessOrEqual(t, runs, 1001, cadence)
		}
	})
	for _, longest := range (durations{0, s, 30 * s, time.Minute}) {
		for k, start := range starts(cadences["Fixed"].CapDelay(longest), 100) {
			require.Equal(t, time.Duration(k)*time.Minute+longest, start, "at most %v after the beat before", longest)
		}
	}
}

func TestHazard66_RunsThatTakeTimeKeepTheirBeat(t *testing.T) {
	t.Parallel()
	early := func(s schedule.Schedule) schedule.Schedule { return s.JitteredBetween(0.75, 0.75) }
	late := func(s schedule.Schedule) schedule.Schedule { return s.JitteredBetween(1.5, 1.5) }
	fixed, windowed := schedule.Fixed(4*s), schedule.Windowed(4*s)
	for name, test := range map[string]struct {
		schedule schedule.Schedule
		runs     durations
		want     durations
	}{
		"ended before its beat":              {early(fixed), durations{500 * ms, 500 * ms}, durations{3 * s, 3500 * ms, 3500 * ms}},
		"ended after its beat":               {early(fixed), durations{3 * s, 0}, durations{3 * s, 1500 * ms, 3500 * ms}},
		"overran, though it started early":   {early(fixed), durations{6 * s, 0}, durations{3 * s, 0, 2250 * ms}},
		"in windows, ended after its beat":   {early(windowed), durations{3 * s, 0}, durations{3 * s, 1500 * ms, 3500 * ms}},
		"started late, and did not overrun":  {late(fixed), durations{2500 * ms, 0}, durations{6 * s, 5250 * ms, 3375 * ms}},
		"started late, and overran its beat": {late(fixed), durations{4500 * ms}, durations{6 * s, 0}},
	} {
		assert.Equal(t, test.want, delaysOfRuns(test.schedule, test.runs), name)
	}
}

func TestHazard66_ABeatThatWasNotChosenInAUnionIsKept(t *testing.T) {
	t.Parallel()
	often := schedule.Spaced(10 * s)
	for name, test := range map[string]struct {
		schedule schedule.Schedule
		want     durations
	}{
		"the cadence is jittered": {schedule.Fixed(26*s).JitteredBetween(0.96, 0.96).Union(often), durations{10 * s, 20 * s, 25760 * ms, 35760 * ms, 45760 * ms}},
		"the union is jittered":   {schedule.Fixed(26*s).Union(often).JitteredBetween(0.5, 0.5), durations{5 * s, 10 * s, 15 * s, 20 * s, 25500 * ms, 30500 * ms}},
		"neither":                 {schedule.Fixed(26 * s).Union(often), durations{10 * s, 20 * s, 26 * s, 36 * s, 46 * s, 52 * s}},
	} {
		assert.Equal(t, test.want, starts(test.schedule, len(test.want)), name)
	}
}

// A run that the other cadence asks for comes between a run that started early and its beat.
func TestHazard66_TwoCadencesInAUnionHaveARunEachABeat(t *testing.T) {
	t.Parallel()
	const beats = 1000
	for name, cadence := range map[string]schedule.Schedule{"fixed": schedule.Fixed(10 * s), "windowed": schedule.Windowed(10 * s), "at": schedule.At(every(10 * s))} {
		for way, jittered := range map[string]schedule.Schedule{
			"a little":  cadence.Jittered(),
			"in full":   cadence.JitteredBetween(0, 1),
			"twice":     cadence.JitteredBetween(0, 1).JitteredBetween(0, 1),
			"by a half": cadence.JitteredBetween(0.5, 0.5),
		} {
			runs := 0
			for _, start := range starts(jittered.Union(jittered), 3*beats) {
				if start < beats*10*s {
					runs++
				}
			}
			assert.LessOrEqual(t, runs, 2*(beats+1), "%s, jittered %s", name, way)
		}
	}
}

func TestHazard66_ABeatIsKeptByAPolicyOfFpGo(t *testing.T) {
	t.Parallel()
	for cadence, sched := range cadences {
		policy := schedule.FromRetryPolicy(sched.Jittered().ToRetryPolicy())
		last := 0.0
		for k, start := range starts(policy, 60) {
			beat := math.Round(start.Minutes())
			require.Greater(t, beat, last, "%s: run %d at %v", cadence, k+1, start)
			last = beat
		}
	}
}

// TestHazard66_WithoutABeatADelayIsReplacedAsItIs: nothing is added to a delay that
// does not lead to a beat.
func TestHazard66_WithoutABeatADelayIsReplacedAsItIs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := leaf.Filter(func(n named) bool { return !n.keepsABeat() }).Draw(t, "a")
		factor := rapid.SampledFrom([]float64{0, 0.5, 1, 3}).Draw(t, "factor")
		steps := anySteps.Draw(t, "steps")
		want := durations{}
		for _, delay := range answers(a.Schedule, steps) {
			want = append(want, schedule.Spaced(delay).JitteredBetween(factor, factor).Delays(1)...)
		}
		require.Equal(t, want, answers(a.JitteredBetween(factor, factor), steps), fmt.Sprint(a, factor))
	})
}
