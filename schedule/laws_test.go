package schedule_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/effectlock/effectlock/schedule"
)

// named is a schedule that a failed law can print.
type named struct {
	schedule.Schedule
	name string
}

func (n named) String() string { return n.name }

func (n named) keepsABeat() bool {
	return strings.HasPrefix(n.name, "Fixed") || strings.HasPrefix(n.name, "Windowed") || strings.HasPrefix(n.name, "At")
}

// anyDuration draws short ones, which interact, and extreme ones.
var anyDuration = rapid.Map(
	rapid.OneOf(rapid.Int64Range(0, 20), rapid.Int64Range(0, 20), rapid.Int64()),
	func(n int64) time.Duration { return time.Duration(n) })

var leaf = rapid.Custom(func(t *rapid.T) named {
	d := anyDuration.Draw(t, "d")
	n := rapid.IntRange(-1, 6).Draw(t, "n")
	f := rapid.OneOf(rapid.Float64Range(0, 3), rapid.Float64()).Draw(t, "factor")
	return rapid.SampledFrom([]named{
		{schedule.Schedule{}, "Schedule{}"},
		{schedule.Stop(), "Stop()"},
		{schedule.Forever(), "Forever()"},
		{schedule.Recurs(n), fmt.Sprintf("Recurs(%d)", n)},
		{schedule.Spaced(d), fmt.Sprintf("Spaced(%d)", d)},
		{schedule.Fixed(d), fmt.Sprintf("Fixed(%d)", d)},
		{schedule.Windowed(d), fmt.Sprintf("Windowed(%d)", d)},
		{schedule.Linear(d), fmt.Sprintf("Linear(%d)", d)},
		{schedule.Fibonacci(d), fmt.Sprintf("Fibonacci(%d)", d)},
		{schedule.ExponentialFactor(d, f), fmt.Sprintf("ExponentialFactor(%d, %v)", d, f)},
		{schedule.At(every(d)), fmt.Sprintf("At(every(%d))", d)},
		{schedule.FromDelays(d, -d, d/2), fmt.Sprintf("FromDelays(%d, %d, %d)", d, -d, d/2)},
		{schedule.Unfold(d, halves), fmt.Sprintf("Unfold(%d, halves)", d)},
	}).Draw(t, "leaf")
})

// anySchedule draws a tree whose delays are not random.
var anySchedule = rapid.Custom(func(t *rapid.T) named { return drawSchedule(t, 3) })

func drawSchedule(t *rapid.T, depth int) named {
	if depth == 0 || rapid.Bool().Draw(t, "leaf") {
		return leaf.Draw(t, "schedule")
	}
	a := drawSchedule(t, depth-1)
	d := anyDuration.Draw(t, "d")
	method := rapid.SampledFrom([]string{
		"Intersect", "Union", "AndThen", "UpTo", "ResetAfter", "CapDelay", "Delayed", "DelayedBy", "Tap",
	}).Draw(t, "method")
	unary := fmt.Sprintf("%s.%s(%d)", a, method, d)
	switch method {
	case "UpTo":
		return named{a.UpTo(d), unary}
	case "ResetAfter":
		return named{a.ResetAfter(d), unary}
	case "CapDelay":
		return named{a.CapDelay(d), unary}
	case "Delayed":
		return named{a.Delayed(func(x time.Duration) time.Duration { return x - d }), unary}
	case "DelayedBy":
		return named{a.DelayedBy(func(step schedule.Step) time.Duration { return step.Delay/2 - time.Duration(step.Attempt) }), unary}
	case "Tap":
		return named{a.Tap(func(schedule.Step) {}), unary}
	}
	b := drawSchedule(t, depth-1)
	binary := fmt.Sprintf("%s.%s(%s)", a, method, b)
	switch method {
	case "Intersect":
		return named{a.Intersect(b.Schedule), binary}
	case "Union":
		return named{a.Union(b.Schedule), binary}
	default:
		return named{a.AndThen(b.Schedule), binary}
	}
}

var errRetry = errors.New("retry")

// anySteps draws a run whose clock never goes back.
var anySteps = rapid.Custom(func(t *rapid.T) []step {
	steps := make([]step, rapid.IntRange(1, 12).Draw(t, "steps"))
	var now time.Duration
	for i := range steps {
		steps[i] = step{now: now}
		if rapid.Bool().Draw(t, "failed") {
			steps[i].err = errRetry
		}
		now += time.Duration(rapid.Int64Range(0, 15).Draw(t, "gap"))
	}
	return steps
})

// TestLaws draws schedules a, b, c and the steps of a run; both sides of each
// law must give the same answers to the same steps.
func TestLaws(t *testing.T) {
	t.Parallel()
	type sch = schedule.Schedule
	var zero sch
	forever, stop := schedule.Forever(), schedule.Stop()
	inc := func(d time.Duration) time.Duration { return d/2 + 1 }
	all := func(error) bool { return true }
	laws := map[string]func(a, b, c sch) (left, right sch){
		"Intersect commutes":        func(a, b, _ sch) (_, _ sch) { return a.Intersect(b), b.Intersect(a) },
		"Intersect associates":      func(a, b, c sch) (_, _ sch) { return a.Intersect(b).Intersect(c), a.Intersect(b.Intersect(c)) },
		"Intersect is idempotent":   func(a, _, _ sch) (_, _ sch) { return a.Intersect(a), a },
		"Intersect with Forever":    func(a, _, _ sch) (_, _ sch) { return a.Intersect(forever), a },
		"Intersect with Stop":       func(a, _, _ sch) (_, _ sch) { return a.Intersect(stop), stop },
		"Intersect with zero value": func(a, _, _ sch) (_, _ sch) { return a.Intersect(zero), stop },
		"Union commutes":            func(a, b, _ sch) (_, _ sch) { return a.Union(b), b.Union(a) },
		"Union associates":          func(a, b, c sch) (_, _ sch) { return a.Union(b).Union(c), a.Union(b.Union(c)) },
		"Union is idempotent":       func(a, _, _ sch) (_, _ sch) { return a.Union(a), a },
		"Union with Stop":           func(a, _, _ sch) (_, _ sch) { return a.Union(stop), a },
		"Union with Forever":        func(a, _, _ sch) (_, _ sch) { return a.Union(forever), forever },
		"absorption":                func(a, b, _ sch) (_, _ sch) { return a.Intersect(b).Union(a), a.Union(a.Intersect(b)) },
		"AndThen associates":        func(a, b, c sch) (_, _ sch) { return a.AndThen(b).AndThen(c), a.AndThen(b.AndThen(c)) },
		"Stop, then a":              func(a, _, _ sch) (_, _ sch) { return stop.AndThen(a), a },
		"a, then Stop":              func(a, _, _ sch) (_, _ sch) { return a.AndThen(stop), a },
		"Forever, then a":           func(a, _, _ sch) (_, _ sch) { return forever.AndThen(a), forever },
		"UpTo the longest":          func(a, _, _ sch) (_, _ sch) { return a.UpTo(maxDuration), a },
		"UpTo is an Intersect":      func(a, _, _ sch) (_, _ sch) { return a.UpTo(20), a.Intersect(forever.UpTo(20)) },
		"ResetAfter long":           func(a, _, _ sch) (_, _ sch) { return a.ResetAfter(maxDuration), a },
		"CapDelay the longest":      func(a, _, _ sch) (_, _ sch) { return a.CapDelay(maxDuration), a },
		"jitter of 1":               func(a, _, _ sch) (_, _ sch) { return a.JitteredBetween(1, 1), a },
		"Tap":                       func(a, _, _ sch) (_, _ sch) { return a.Tap(func(schedule.Step) {}), a },
		"Delayed composes": func(a, _, _ sch) (_, _ sch) {
			return a.Delayed(inc).Delayed(inc), a.Delayed(func(d time.Duration) time.Duration { return inc(inc(d)) })
		},
		"DelayedBy is Delayed": func(a, _, _ sch) (_, _ sch) {
			return a.DelayedBy(func(step schedule.Step) time.Duration { return inc(step.Delay) }), a.Delayed(inc)
		},
		"WhileError accepting all": func(a, _, _ sch) (_, _ sch) { return a.WhileError(all), a },
	}
	for name, law := range laws {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				a, b, c := anySchedule.Draw(t, "a"), anySchedule.Draw(t, "b"), anySchedule.Draw(t, "c")
				steps := anySteps.Draw(t, "steps")
				left, right := law(a.Schedule, b.Schedule, c.Schedule)
				require.Equal(t, answers(right, steps), answers(left, steps))
			})
		})
	}
}

// TestEachCombinatorAgainstItsMeaning says in terms of lists what a combinator
// must answer, given what its parts answer on their own.
func TestEachCombinatorAgainstItsMeaning(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		// Leaves: a part that has ended never answers again.
		a, b := leaf.Draw(t, "a"), leaf.Draw(t, "b")
		d := time.Duration(rapid.Int64Range(0, 60).Draw(t, "d"))
		steps := anySteps.Draw(t, "steps")
		as, bs := answers(a.Schedule, steps), answers(b.Schedule, steps)

		both, either, capped := durations{}, durations{}, durations{}
		for i := range max(len(as), len(bs)) {
			switch {
			case i >= len(as):
				either = append(either, bs[i])
			case i >= len(bs):
				either = append(either, as[i])
			default:
				either = append(either, min(as[i], bs[i]))
				both = append(both, max(as[i], bs[i]))
			}
		}
		var before, unfailed int
		for _, st := range steps[:len(as)] {
			if st.now < d {
				before++
			}
		}
		for unfailed < len(as) && steps[unfailed].err == nil {
			unfailed++
		}
		for _, delay := range as {
			capped = append(capped, min(delay, d))
		}
		restarted := durations{}
		for from := 0; from < len(steps); {
			to := from + 1
			for to < len(steps) && steps[to].now-steps[to-1].now < d {
				to++
			}
			part := answers(a.Schedule, steps[from:to])
			restarted = append(restarted, part...)
			if len(part) < to-from {
				break
			}
			from = to
		}

		require.Equal(t, both, answers(a.Intersect(b.Schedule), steps), "Intersect")
		require.Equal(t, either, answers(a.Union(b.Schedule), steps), "Union")
		require.Equal(t, append(as, answers(b.Schedule, steps[len(as):])...), answers(a.AndThen(b.Schedule), steps), "AndThen")
		require.Equal(t, as[:before], answers(a.UpTo(d), steps), "UpTo")
		require.Equal(t, as[:unfailed], answers(a.WhileError(func(error) bool { return false }), steps), "WhileError")
		if !a.keepsABeat() { // TestHazard66 has those that do
			require.Equal(t, capped, answers(a.CapDelay(d), steps), "CapDelay")
		}
		require.Equal(t, restarted, answers(a.ResetAfter(d), steps), "ResetAfter")
	})
}

func TestDelaysAreNeverNegative(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := anySchedule.Draw(t, "a")
		lo, hi := rapid.Float64().Draw(t, "lo"), rapid.Float64().Draw(t, "hi")
		for _, delay := range append(a.Delays(50), a.JitteredBetween(lo, hi).Delays(50)...) {
			require.GreaterOrEqual(t, delay, time.Duration(0))
		}
	})
}

func TestDelaysAreTheAnswersOfARunThatTakesNoTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := anySchedule.Draw(t, "a")
		steps := []step{{}}
		for _, delay := range a.Delays(8) {
			now := steps[len(steps)-1].now
			steps = append(steps, step{now: now + min(delay, maxDuration-now)})
		}
		require.Equal(t, append(durations{}, a.Delays(len(steps))...), answers(a.Schedule, steps))
	})
}

func TestAScheduleSurvivesTheRoundTripThroughFpGo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := anySchedule.Draw(t, "a")
		delays := a.Delays(12)
		require.Equal(t, delays, schedule.FromRetryPolicy(a.ToRetryPolicy()).Delays(12))
		if len(delays) == 0 || slices.Max(delays) < maxDuration/12 { // fp-go itself overflows
			require.Equal(t, append(durations{}, delays...), delaysOf(a.ToRetryPolicy(), 12))
		}
	})
}

func TestRunsOfOneScheduleAreIndependent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, steps := anySchedule.Draw(t, "a"), anySteps.Draw(t, "steps")
		want := answers(a.Schedule, steps)
		interleaved := [2]durations{{}, {}}
		drivers := [2]*schedule.Driver{a.Driver(), a.Driver()}
		for _, st := range steps {
			for i, d := range drivers {
				if delay, ok := d.Next(begin.Add(st.now), st.err); ok {
					interleaved[i] = append(interleaved[i], delay)
				}
			}
		}
		require.Equal(t, [2]durations{want, want}, interleaved)
		var runs sync.WaitGroup
		for range 4 {
			runs.Go(func() { assert.Equal(t, want, answers(a.Schedule, steps)) })
		}
		runs.Wait()
	})
}
