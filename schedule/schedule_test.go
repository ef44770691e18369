package schedule_test

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/effectlock/effectlock/schedule"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ms          = time.Millisecond
	s           = time.Second
	maxDuration = time.Duration(math.MaxInt64)
)

type durations = []time.Duration

// begin is when runs begin: where Delays has its wall clock begin.
var begin = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)

// step is one call of Next, at a time counted from the beginning of the run.
type step struct {
	now time.Duration
	err error
}

func at(nows ...time.Duration) []step {
	steps := make([]step, len(nows))
	for i, now := range nows {
		steps[i].now = now
	}
	return steps
}

// answers drives one run of a schedule through steps, until it ends.
func answers(sched schedule.Schedule, steps []step) durations {
	d := sched.Driver()
	delays := durations{}
	for _, st := range steps {
		delay, ok := d.Next(begin.Add(st.now), st.err)
		if !ok {
			break
		}
		delays = append(delays, delay)
	}
	return delays
}

// TestDelays says what the laws take for granted.
func TestDelays(t *testing.T) {
	t.Parallel()
	var zero schedule.Schedule
	factor, linear, spaced := schedule.ExponentialFactor, schedule.Linear(s), schedule.Spaced(s)
	minus := func(d time.Duration) time.Duration { return d - 2*s }
	inf := math.Inf(1)
	for name, test := range map[string]struct {
		schedule schedule.Schedule
		n        int
		want     durations
	}{
		"zero value":                      {zero, 3, nil},
		"zero value, in a chain":          {zero.UpTo(s).ResetAfter(s).Tap(func(schedule.Step) {}).Jittered().CapDelay(s), 3, nil},
		"zero value, then another":        {zero.AndThen(spaced), 2, durations{s, s}},
		"zero value, in a union":          {zero.Union(spaced), 2, durations{s, s}},
		"Stop":                            {schedule.Stop(), 3, nil},
		"Once":                            {schedule.Once(), 3, durations{0}},
		"Recurs":                          {schedule.Recurs(3), 9, durations{0, 0, 0}},
		"Recurs 0":                        {schedule.Recurs(0), 3, nil},
		"Recurs negative":                 {schedule.Recurs(math.MinInt), 3, nil},
		"Forever":                         {schedule.Forever(), 4, durations{0, 0, 0, 0}},
		"Elapsed":                         {schedule.Elapsed(), 4, durations{0, 0, 0, 0}},
		"Spaced":                          {spaced, 3, durations{s, s, s}},
		"Spaced negative":                 {schedule.Spaced(-s), 2, durations{0, 0}},
		"Fixed":                           {schedule.Fixed(s), 3, durations{s, s, s}},
		"Fixed 0":                         {schedule.Fixed(0), 3, durations{0, 0, 0}},
		"Fixed negative":                  {schedule.Fixed(-s), 3, durations{0, 0, 0}},
		"Fixed longest":                   {schedule.Fixed(maxDuration), 3, durations{maxDuration, maxDuration, maxDuration}},
		"Windowed":                        {schedule.Windowed(s), 3, durations{s, s, s}},
		"Windowed 0":                      {schedule.Windowed(0), 3, durations{0, 0, 0}},
		"Windowed negative":               {schedule.Windowed(-s), 3, durations{0, 0, 0}},
		"Exponential":                     {schedule.Exponential(100 * ms), 4, durations{100 * ms, 200 * ms, 400 * ms, 800 * ms}},
		"Exponential negative":            {schedule.Exponential(-s), 3, durations{0, 0, 0}},
		"factor 1.5":                      {factor(s, 1.5), 3, durations{s, 1500 * ms, 2250 * ms}},
		"factor 1":                        {factor(s, 1), 3, durations{s, s, s}},
		"factor 0.5":                      {factor(s, 0.5), 3, durations{s, 500 * ms, 250 * ms}},
		"factor 1.3":                      {factor(3, 1.3), 4, durations{3, 4, 5, 7}}, // 3.9, 5.07, 6.591
		"factor 0":                        {factor(s, 0), 4, durations{s, 0, 0, 0}},
		"factor NaN":                      {factor(s, math.NaN()), 4, durations{s, 0, 0, 0}},
		"factor infinity":                 {factor(s, inf), 4, durations{s, maxDuration, maxDuration, maxDuration}},
		"factor negative":                 {factor(s, -2), 4, durations{s, 0, 4 * s, 0}},
		"factor negative infinity":        {factor(s, -inf), 4, durations{s, 0, maxDuration, 0}},
		"factor infinity, of nothing":     {factor(0, inf), 4, durations{0, 0, 0, 0}},
		"factor past any duration":        {factor(1, math.MaxUint64), 4, durations{1, maxDuration, maxDuration, maxDuration}},
		"factor whole, past 2^63":         {factor(1, 1<<63), 4, durations{1, maxDuration, maxDuration, maxDuration}},
		"factor whole, up to 2^62":        {factor(1, 1<<62), 4, durations{1, 1 << 62, maxDuration, maxDuration}},
		"factor exact past 53 bits":       {factor(1<<60+1, 2), 4, durations{1<<60 + 1, 1<<61 + 2, 1<<62 + 4, maxDuration}},
		"factor tiny":                     {factor(s, 1e-300), 4, durations{s, 0, 0, 0}},
		"factor not quite past":           {factor(maxDuration, 0.5), 4, durations{maxDuration, 1 << 62, 1 << 61, 1 << 60}},
		"Linear":                          {linear, 3, durations{s, 2 * s, 3 * s}},
		"Linear negative":                 {schedule.Linear(-s), 3, durations{0, 0, 0}},
		"Fibonacci":                       {schedule.Fibonacci(ms), 7, durations{ms, ms, 2 * ms, 3 * ms, 5 * ms, 8 * ms, 13 * ms}},
		"Fibonacci negative":              {schedule.Fibonacci(-s), 3, durations{0, 0, 0}},
		"FromDelays":                      {schedule.FromDelays(3*s, -s, s), 9, durations{3 * s, 0, s}},
		"FromDelays without any":          {schedule.FromDelays(), 9, nil},
		"Unfold":                          {schedule.Unfold(5*s, halves), 3, durations{5 * s, 2500 * ms, 1250 * ms}},
		"Unfold to the end":               {schedule.Unfold(3, halves), 9, durations{3, 1}},
		"Unfold below 0":                  {schedule.Unfold(-3, halves), 9, durations{0, 0}},
		"At":                              {schedule.At(every(11 * time.Hour)), 3, durations{6 * time.Hour, 11 * time.Hour, 11 * time.Hour}}, // counted from the zero time
		"DelayedBy":                       {linear.DelayedBy(func(st schedule.Step) time.Duration { return st.Delay + st.Elapsed }), 3, durations{s, 3 * s, 7 * s}},
		"DelayedBy below 0":               {linear.DelayedBy(func(schedule.Step) time.Duration { return -s }), 3, durations{0, 0, 0}},
		"none asked for":                  {schedule.Forever(), 0, nil},
		"fewer than none":                 {schedule.Forever(), -1, nil},
		"Delayed maps":                    {linear.Delayed(func(d time.Duration) time.Duration { return 10 * d }), 3, durations{10 * s, 20 * s, 30 * s}},
		"Delayed below 0":                 {linear.Delayed(minus), 3, durations{0, 0, s}},
		"Delayed makes nothing last more": {schedule.Once().Delayed(func(time.Duration) time.Duration { return s }), 3, durations{s}},
		"CapDelay negative":               {linear.CapDelay(-s), 3, durations{0, 0, 0}},
		"in the order of the chain":       {linear.CapDelay(2 * s).Delayed(minus), 3, durations{0, 0, 0}},
		"jitter of exactly 1.5":           {linear.JitteredBetween(1.5, 1.5), 3, durations{1500 * ms, 3 * s, 4500 * ms}},
		"jitter NaN":                      {linear.JitteredBetween(math.NaN(), 1), 3, durations{0, 0, 0}},
		"jitter below 0":                  {linear.JitteredBetween(-2, -1), 3, durations{0, 0, 0}},
		"jitter of infinity":              {linear.JitteredBetween(-inf, inf), 3, durations{0, 0, 0}},
		"jitter, then cap, stays below":   {linear.JitteredBetween(5, 6).CapDelay(s), 3, durations{s, s, s}},
		"no delay stays so with jitter":   {schedule.Recurs(3).Jittered(), 3, durations{0, 0, 0}},
		"AndThen does not go back":        {schedule.Once().ResetAfter(5 * s).AndThen(schedule.Spaced(10 * s)), 4, durations{0, 10 * s, 10 * s, 10 * s}},
		"Union asks one that has ended":   {schedule.Once().ResetAfter(5 * s).Union(schedule.Spaced(10 * s)), 4, durations{0, 10 * s, 0, 10 * s}},
		"UpTo 0":                          {spaced.UpTo(0), 3, nil},
		"UpTo negative":                   {spaced.UpTo(-s), 3, nil},
		"UpTo, in virtual time":           {schedule.Exponential(s).UpTo(7 * s), 9, durations{s, 2 * s, 4 * s}},
		"UpTo, where time stops":          {schedule.Spaced(maxDuration - 1).UpTo(maxDuration), 9, durations{maxDuration - 1, maxDuration - 1}},
		"a clock inside ResetAfter":       {schedule.Spaced(10 * s).UpTo(s).ResetAfter(10 * s), 3, durations{10 * s, 10 * s, 10 * s}},
		"a clock outside ResetAfter":      {schedule.Spaced(10 * s).ResetAfter(10 * s).UpTo(s), 3, durations{10 * s}},
	} {
		assert.Equal(t, test.want, test.schedule.Delays(test.n), name)
	}
}

func TestOnlyTheZeroValueIsZero(t *testing.T) {
	t.Parallel()
	assert.True(t, schedule.Schedule{}.IsZero())
	for _, chosen := range []schedule.Schedule{schedule.Stop(), schedule.Recurs(0), schedule.Schedule{}.Jittered()} {
		assert.False(t, chosen.IsZero())
	}
}

func TestANilFunctionLeavesTheScheduleAsItWas(t *testing.T) {
	t.Parallel()
	exponential := schedule.Exponential(1)
	failing := []step{{0, errors.New("x")}, {1, errors.New("y")}, {3, nil}}
	for _, same := range []schedule.Schedule{exponential.Delayed(nil), exponential.DelayedBy(nil), exponential.WhileError(nil), exponential.Tap(nil)} {
		assert.Equal(t, durations{1, 2, 4}, answers(same, failing))
	}
}

func TestAConstructorWithoutItsFunctionIsStop(t *testing.T) {
	t.Parallel()
	for _, stop := range []schedule.Schedule{schedule.FromRetryPolicy(nil), schedule.At(nil), schedule.Unfold[int](0, nil)} {
		assert.Empty(t, stop.Delays(3))
		assert.False(t, stop.IsZero())
	}
}

func TestGrowingDelaysSaturate(t *testing.T) {
	t.Parallel()
	for name, sched := range map[string]schedule.Schedule{
		"Exponential":             schedule.Exponential(100 * ms),
		"Exponential, largest":    schedule.Exponential(maxDuration),
		"factor 1.01":             schedule.ExponentialFactor(s, 1.01),
		"Linear":                  schedule.Linear(maxDuration / 5000),
		"Fibonacci":               schedule.Fibonacci(ms),
		"Fibonacci, largest":      schedule.Fibonacci(maxDuration),
		"Delayed back and forth":  schedule.Exponential(s).Delayed(func(d time.Duration) time.Duration { return d - 1 }).Delayed(func(d time.Duration) time.Duration { return d + 1 }),
		"jittered past any bound": schedule.Spaced(1).JitteredBetween(math.MaxFloat64, math.MaxFloat64),
	} {
		delays := sched.Delays(10_001)
		require.Len(t, delays, 10_001)
		assert.Equal(t, maxDuration, delays[10_000], name)
		assert.IsNonDecreasing(t, delays, name)
	}
	rapid.Check(t, func(t *rapid.T) {
		base := time.Duration(rapid.Int64Min(1).Draw(t, "base"))
		for i, want := 0, base; i < 70; i++ {
			require.Equal(t, want, schedule.Exponential(base).Delays(i + 1)[i], "recurrence %d", i)
			want += min(want, maxDuration-want)
		}
	})
}

func TestJitterFillsItsRangeAndDiffersBetweenRuns(t *testing.T) {
	t.Parallel()
	spaced := schedule.Spaced(100 * s)
	for name, test := range map[string]struct {
		schedule schedule.Schedule
		lo, hi   time.Duration
	}{
		"Jittered":                    {spaced.Jittered(), 80 * s, 120 * s},
		"JitteredBetween":             {spaced.JitteredBetween(0, 1), 0, 100 * s},
		"JitteredBetween, backwards":  {spaced.JitteredBetween(3, 0.5), 50 * s, 300 * s},
		"JitteredBetween, from below": {spaced.JitteredBetween(-1, 1), 0, 100 * s},
	} {
		delays := test.schedule.Delays(10_000)
		least, most := slices.Min(delays), slices.Max(delays)
		edge := (test.hi - test.lo) / 50
		assert.GreaterOrEqual(t, least, test.lo, name)
		assert.LessOrEqual(t, most, test.hi, name)
		assert.Less(t, least, test.lo+edge, "%s: the lower end is reached", name)
		assert.Greater(t, most, test.hi-edge, "%s: the upper end is reached", name)
		assert.NotEqual(t, delays[:9], answers(test.schedule, at(0, 1, 2, 3, 4, 5, 6, 7, 8)), name)
	}
}

func TestWhileErrorIsAskedOnlyAboutFailures(t *testing.T) {
	t.Parallel()
	failure, final := errors.New("failure"), errors.New("final")
	asked := 0
	sched := schedule.Linear(s).WhileError(func(err error) bool { asked++; return !errors.Is(err, final) })
	assert.Equal(t, durations{s, 2 * s, 3 * s}, answers(sched, []step{{0, failure}, {1, nil}, {2, failure}, {3, final}, {4, failure}}))
	assert.Equal(t, 3, asked)
}

func TestTapSeesEachStepThatGoesOnAndCountsFromWhereItsPartBegan(t *testing.T) {
	t.Parallel()
	failure := errors.New("failure")
	var seen []schedule.Step
	see := func(step schedule.Step) { seen = append(seen, step) }
	for name, test := range map[string]struct {
		schedule schedule.Schedule
		steps    []step
		want     []schedule.Step
	}{
		"until the end": {
			schedule.Linear(s).Intersect(schedule.Recurs(3)).Tap(see), []step{{0, failure}, {5 * s, nil}, {9 * s, failure}, {10 * s, failure}},
			[]schedule.Step{{Attempt: 1, Delay: s, Err: failure}, {Attempt: 2, Elapsed: 5 * s, Delay: 2 * s}, {Attempt: 3, Elapsed: 9 * s, Delay: 3 * s, Err: failure}},
		},
		"in its turn":   {schedule.Once().AndThen(schedule.Elapsed().Tap(see)), at(0, 5*s, 7*s), []schedule.Step{{Attempt: 1}, {Attempt: 2, Elapsed: 2 * s}}},
		"after a reset": {schedule.Elapsed().Tap(see).ResetAfter(10 * s), at(0, s, 20*s, 21*s), []schedule.Step{{Attempt: 1}, {Attempt: 2, Elapsed: s}, {Attempt: 1}, {Attempt: 2, Elapsed: s}}},
	} {
		for range 2 { // each run counts on its own
			seen = nil
			answers(test.schedule, test.steps)
			assert.Equal(t, test.want, seen, name)
		}
		seen = nil
		test.schedule.Delays(3)
		assert.Empty(t, seen, "%s: nothing happens in Delays", name)
	}
}
