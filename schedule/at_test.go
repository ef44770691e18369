package schedule_test

import (
	"testing"
	"time"
	"unsafe"

	"github.com/IBM/fp-go/v2/option"
	"github.com/IBM/fp-go/v2/retry"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/effectlock/effectlock/schedule"
)

const h = time.Hour

// every yields the whole multiples of d, counted from the zero time.
func every(d time.Duration) func(time.Time) time.Time {
	return func(t time.Time) time.Time { return t.Truncate(d).Add(d) }
}

// nightly yields 03:00 of each day, in the location of its argument.
func nightly(t time.Time) time.Time {
	year, month, day := t.Date()
	if night := time.Date(year, month, day, 3, 0, 0, 0, t.Location()); night.After(t) {
		return night
	}
	return time.Date(year, month, day+1, 3, 0, 0, 0, t.Location())
}

// started has a monotonic reading, which only time.Now gives.
var started = func() time.Time { now := time.Now(); return now.Add(begin.Sub(now)) }()

// reading is what time.Now returns in loc when elapsed has passed since begin, on a clock
// that was set by set in the meantime. Package time makes no such time, and In strips the
// monotonic reading, so this reaches into it.
func reading(elapsed, set time.Duration, loc *time.Location) time.Time {
	t := started.Add(elapsed + set)
	inside := (*struct {
		wall      uint64
		monotonic int64
		loc       *time.Location
	})(unsafe.Pointer(&t))
	inside.monotonic -= int64(set)
	inside.loc = loc
	return t
}

func TestAReadingHasTwoClocks(t *testing.T) {
	t.Parallel()
	start, later := reading(0, 0, time.UTC), reading(h, -2*h, time.UTC)
	require.Equal(t, h, later.Sub(start))
	require.Equal(t, begin.Add(-h), later.Round(0).UTC())
}

// tick is a step by two clocks: the time since begin, and by how much the wall clock was set.
type tick struct{ elapsed, set time.Duration }

func delaysAt(sched schedule.Schedule, ticks []tick) durations {
	d := sched.Driver()
	var delays durations
	for _, at := range ticks {
		delay, _ := d.Next(reading(at.elapsed, at.set, time.UTC), nil)
		delays = append(delays, delay)
	}
	return delays
}

func TestAtOnAClockThatIsSet(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ticks []tick
		want  durations
	}{
		"not set":                              {[]tick{{0, 0}, {3 * h, 0}, {28 * h, 0}}, durations{3 * h, 24 * h, 23 * h}},
		"a run that passes moments":            {[]tick{{0, 0}, {74 * h, 0}}, durations{3 * h, h}},
		"a timer is early by the clock":        {[]tick{{0, 0}, {3 * h, -ms}, {27*h + ms, -ms}}, durations{3 * h, 24*h + ms, 24 * h}},
		"back, during a delay":                 {[]tick{{0, 0}, {3 * h, -h}}, durations{3 * h, 25 * h}},
		"back, during a run":                   {[]tick{{0, 0}, {5 * h, -4 * h}}, durations{3 * h, 26 * h}},
		"back, by days":                        {[]tick{{0, 0}, {3 * h, -72 * h}}, durations{3 * h, 96 * h}},
		"forward, during a delay":              {[]tick{{0, 0}, {3 * h, 5 * h}}, durations{3 * h, 19 * h}},
		"forward, by days":                     {[]tick{{0, 0}, {3 * h, 49 * h}}, durations{3 * h, 23 * h}},
		"forward and back":                     {[]tick{{0, 0}, {3 * h, 5 * h}, {22 * h, 0}}, durations{3 * h, 19 * h, 29 * h}},
		"a run in between":                     {[]tick{{0, 0}, {h, 0}, {2 * h, 0}, {3 * h, 0}}, durations{3 * h, 2 * h, h, 24 * h}},
		"back, before a run in between":        {[]tick{{0, 0}, {h, -30 * time.Minute}, {2 * h, 0}}, durations{3 * h, 2*h + 30*time.Minute, h}},
		"forward, before a run in between":     {[]tick{{0, 0}, {h, 3 * h}}, durations{3 * h, 23 * h}},
		"back past a moment that is over":      {[]tick{{0, 0}, {3 * h, 0}, {4 * h, -2 * h}}, durations{3 * h, 24 * h, 25 * h}},
		"forward past a moment that is undone": {[]tick{{0, 0}, {h, 3 * h}, {h + s, 0}}, durations{3 * h, 23 * h, 2*h - s}},
	} {
		assert.Equal(t, test.want, delaysAt(schedule.At(nightly), test.ticks), name)
		part := schedule.At(nightly).JitteredBetween(1, 1).Union(schedule.Spaced(maxDuration))
		assert.Equal(t, test.want, delaysAt(part, test.ticks), "%s, in a union", name)
	}
}

// Such a clock is believed, except in the last thousandth of a delay.
func TestAtOnTimesWithoutAMonotonicReading(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		steps []step
		want  durations
	}{
		"a timer is early":    {at(0, 3*h-ms, 27*h), durations{3 * h, 24*h + ms, 24 * h}},
		"on a slewed clock":   {at(0, 3*h-5*s), durations{3 * h, 24*h + 5*s}},
		"a run in between":    {at(0, 3*h-time.Minute, 3*h), durations{3 * h, time.Minute, 24 * h}},
		"the clock goes back": {at(0, 3*h, 2*h, 27*h), durations{3 * h, 24 * h, 25 * h, 24 * h}},
	} {
		assert.Equal(t, test.want, answers(schedule.At(nightly), test.steps), name)
	}
}

func TestAtKeepsTheTimeOfDayOfItsLocation(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	for name, test := range map[string]struct {
		begin time.Time
		want  durations
	}{
		"in spring": {time.Date(2025, 3, 29, 3, 0, 0, 0, berlin), durations{23 * h, 24 * h, 24 * h}},
		"in autumn": {time.Date(2025, 10, 25, 3, 0, 0, 0, berlin), durations{25 * h, 24 * h, 24 * h}},
	} {
		d, now := schedule.At(nightly).Driver(), test.begin
		for k, want := range test.want {
			delay, ok := d.Next(now, nil)
			require.True(t, ok)
			require.Equal(t, want, delay, "%s, delay %d", name, k)
			now = now.Add(delay)
		}
	}
	assert.Equal(t, durations{3 * h, 24 * h, 24 * h}, schedule.At(nightly).Delays(3), "Delays begins at midnight, UTC")
}

// The second and third runs start early, so next is given the moments that they were due at.
func TestAtAsksInTheLocationOfTheCallerAndWithoutTheMonotonicClock(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", 3600)
	var asked []time.Time
	inUTC := func(now time.Time) time.Time {
		asked = append(asked, now)
		return nightly(now.UTC())
	}
	d := schedule.At(inUTC).JitteredBetween(0.5, 0.5).Driver()
	for _, elapsed := range (durations{0, 2 * h, 16 * h}) {
		_, ok := d.Next(reading(elapsed, -ms, zone), nil)
		require.True(t, ok)
	}
	midnight := begin.In(zone)
	assert.Equal(t, []time.Time{midnight.Add(-ms), midnight.Add(3 * h), midnight.Add(27 * h)}, asked)
}

func TestAtInAPolicyOfFpGoCountsFromABeginningOfAYear(t *testing.T) {
	t.Parallel()
	var asked []time.Time
	twoHourly := func(now time.Time) time.Time { asked = append(asked, now); return every(2 * h)(now) }
	policy := schedule.At(twoHourly).Intersect(schedule.Spaced(3 * h)).ToRetryPolicy()
	assert.Equal(t, option.Some(3*h), policy(retry.RetryStatus{IterNumber: 2, CumulativeDelay: 6 * h}))
	assert.Equal(t, []time.Time{begin, begin.Add(3 * h), begin.Add(6 * h)}, asked)
}

func TestAtWithoutAFurtherMomentEnds(t *testing.T) {
	t.Parallel()
	last := begin.Add(5 * h)
	twice := func(now time.Time) time.Time {
		if m := every(2 * h)(now); m.Before(last) {
			return m
		}
		return time.Time{}
	}
	assert.Equal(t, durations{2 * h, 2 * h}, schedule.At(twice).Delays(9))
	assert.Equal(t, durations{2 * h, 2 * h, s}, schedule.At(twice).AndThen(schedule.Spaced(s)).Delays(3))
}

func TestAPanicOfACallersFunctionPassesThroughAndChangesNothing(t *testing.T) {
	t.Parallel()
	panics := true
	boom := func() {
		if panics {
			panic("boom")
		}
	}
	for name, sched := range map[string]schedule.Schedule{
		"At": schedule.At(func(now time.Time) time.Time { boom(); return every(s)(now) }),
		"Unfold": schedule.Unfold(s, func(d time.Duration, step schedule.Step) (time.Duration, time.Duration, bool) {
			boom()
			return halves(d, step)
		}),
	} {
		d := sched.Driver()
		panics = true
		assert.PanicsWithValue(t, "boom", func() { d.Next(begin, nil) }, name)
		panics = false
		delay, ok := d.Next(begin, nil)
		assert.True(t, ok, name)
		assert.Equal(t, s, delay, name)
	}
}

// TestNoMomentComesTwice drives At on a clock that is set again and again.
func TestNoMomentComesTwice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		factor := rapid.Float64Range(0, 1.2).Draw(t, "factor")
		var moment time.Time // the one that is waited for
		var asked time.Duration
		inner := schedule.At(func(now time.Time) time.Time { moment = every(time.Minute)(now); return moment }).
			Tap(func(step schedule.Step) { asked = step.Delay })
		d := inner.JitteredBetween(factor, factor).Driver()
		var now tick
		var last time.Time
		for range 50 {
			delay, ok := d.Next(reading(now.elapsed, now.set, time.UTC), nil)
			require.True(t, ok)
			wall := begin.Add(now.elapsed + now.set)
			require.Greater(t, moment, last)
			require.Greater(t, moment, wall)
			require.Equal(t, moment.Sub(wall), asked, "a run at its moment")
			require.LessOrEqual(t, moment.Sub(wall.Add(delay)), time.Minute, "a run less than one period early")
			last = moment
			now.elapsed += delay + time.Duration(rapid.Int64Range(0, int64(90*s)).Draw(t, "run"))
			if rapid.Bool().Draw(t, "is set") {
				now.set += time.Duration(rapid.Int64Range(-int64(3*time.Minute), int64(3*time.Minute)).Draw(t, "by"))
			}
		}
	})
}

// TestAMomentInAUnionIsWaitedForUntilItsRun steps At whenever another part asks for a run.
func TestAMomentInAUnionIsWaitedForUntilItsRun(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		often := time.Duration(rapid.Int64Range(int64(s), int64(2*time.Minute)).Draw(t, "often"))
		var asked time.Duration
		at := schedule.At(every(time.Minute)).Tap(func(step schedule.Step) { asked = step.Delay })
		d := at.Union(schedule.Spaced(often)).Driver()
		var now tick
		var over, moment time.Time // the moment of the last run, and the next one
		var due time.Duration
		for range 50 {
			delay, ok := d.Next(reading(now.elapsed, now.set, time.UTC), nil)
			require.True(t, ok)
			if now.elapsed >= due {
				over = moment
			}
			wall := begin.Add(now.elapsed + now.set)
			from := wall
			if over.After(wall) {
				from = over
			}
			moment, due = every(time.Minute)(from), now.elapsed+asked-asked/1000
			require.Equal(t, moment, wall.Add(asked))
			now.elapsed += delay
			if rapid.Bool().Draw(t, "is set") {
				now.set += time.Duration(rapid.Int64Range(-int64(90*s), int64(90*s)).Draw(t, "by"))
			}
		}
	})
}

// On a clock that nobody sets, the whole multiples of d are the windows of d.
func TestAtWholeMultiplesIsWindowed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(1, 20).Draw(t, "d"))
		factor := rapid.SampledFrom([]float64{0, 0.5, 0.8, 1, 1.5}).Draw(t, "factor")
		other := leaf.Draw(t, "other")
		runs, steps := durations{}, anySteps.Draw(t, "steps")
		for _, st := range steps {
			runs = append(runs, st.now)
		}
		windows := func(now time.Time) time.Time { return now.Add(d - now.Sub(begin)%d) }
		windowed, at := schedule.Windowed(d), schedule.At(windows)
		require.Equal(t, answers(windowed.Union(other.Schedule), steps), answers(at.Union(other.Schedule), steps), "whoever asks")
		windowed, at = windowed.JitteredBetween(factor, factor), at.JitteredBetween(factor, factor)
		require.Equal(t, delaysOfRuns(windowed, runs), delaysOfRuns(at, runs), "with other delays")
	})
}
