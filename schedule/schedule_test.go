package schedule_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/schedule"
)

const (
	ms      = time.Millisecond
	s       = time.Second
	forEver = time.Duration(math.MaxInt64)
)

type durations = []time.Duration

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
	begin := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
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

func TestDelaysOfEachConstructor(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		schedule schedule.Schedule
		n        int
		want     durations
	}{
		"zero value":            {schedule.Schedule{}, 3, nil},
		"Stop":                  {schedule.Stop(), 3, nil},
		"Once":                  {schedule.Once(), 3, durations{0}},
		"Recurs":                {schedule.Recurs(3), 9, durations{0, 0, 0}},
		"Recurs 0":              {schedule.Recurs(0), 3, nil},
		"Recurs negative":       {schedule.Recurs(math.MinInt), 3, nil},
		"Forever":               {schedule.Forever(), 4, durations{0, 0, 0, 0}},
		"Elapsed":               {schedule.Elapsed(), 4, durations{0, 0, 0, 0}},
		"Spaced":                {schedule.Spaced(s), 3, durations{s, s, s}},
		"Spaced negative":       {schedule.Spaced(-s), 2, durations{0, 0}},
		"Fixed":                 {schedule.Fixed(s), 3, durations{s, s, s}},
		"Fixed 0":               {schedule.Fixed(0), 3, durations{0, 0, 0}},
		"Fixed negative":        {schedule.Fixed(-s), 3, durations{0, 0, 0}},
		"Fixed longest":         {schedule.Fixed(forEver), 3, durations{forEver, forEver, forEver}},
		"Windowed":              {schedule.Windowed(s), 3, durations{s, s, s}},
		"Windowed 0":            {schedule.Windowed(0), 3, durations{0, 0, 0}},
		"Windowed negative":     {schedule.Windowed(-s), 3, durations{0, 0, 0}},
		"Exponential":           {schedule.Exponential(100 * ms), 4, durations{100 * ms, 200 * ms, 400 * ms, 800 * ms}},
		"Exponential negative":  {schedule.Exponential(-s), 3, durations{0, 0, 0}},
		"ExponentialFactor":     {schedule.ExponentialFactor(s, 1.5), 3, durations{s, 1500 * ms, 2250 * ms}},
		"ExponentialFactor 1":   {schedule.ExponentialFactor(s, 1), 3, durations{s, s, s}},
		"ExponentialFactor 0.5": {schedule.ExponentialFactor(s, 0.5), 3, durations{s, 500 * ms, 250 * ms}},
		"ExponentialFactor 1.3": {schedule.ExponentialFactor(3, 1.3), 4, durations{3, 4, 5, 7}}, // 3.9, 5.07, 6.591
		"Linear":                {schedule.Linear(100 * ms), 3, durations{100 * ms, 200 * ms, 300 * ms}},
		"Linear negative":       {schedule.Linear(-s), 3, durations{0, 0, 0}},
		"Fibonacci":             {schedule.Fibonacci(ms), 7, durations{ms, ms, 2 * ms, 3 * ms, 5 * ms, 8 * ms, 13 * ms}},
		"Fibonacci negative":    {schedule.Fibonacci(-s), 3, durations{0, 0, 0}},
		"none asked for":        {schedule.Forever(), 0, nil},
		"fewer than none":       {schedule.Forever(), -1, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, test.schedule.Delays(test.n))
		})
	}
}

func TestOnlyTheZeroValueIsZero(t *testing.T) {
	t.Parallel()
	assert.True(t, schedule.Schedule{}.IsZero())
	assert.False(t, schedule.Stop().IsZero())
	assert.False(t, schedule.Recurs(0).IsZero())
	assert.False(t, schedule.Schedule{}.Jittered().IsZero())
}

func TestTheZeroValueBehavesLikeStopInEveryCombination(t *testing.T) {
	t.Parallel()
	var zero schedule.Schedule
	spaced := schedule.Spaced(s)
	assert.Empty(t, spaced.Intersect(zero).Delays(3))
	assert.Empty(t, zero.Intersect(spaced).Delays(3))
	assert.Equal(t, durations{s, s}, spaced.Union(zero).Delays(2))
	assert.Equal(t, durations{s, s}, zero.Union(spaced).Delays(2))
	assert.Equal(t, durations{s, s}, zero.AndThen(spaced).Delays(2))
	assert.Empty(t, zero.UpTo(s).ResetAfter(s).Tap(func(schedule.Step) {}).Jittered().CapDelay(s).Delays(3))
	assert.Empty(t, answers(zero, at(0, 1)))
}

func TestANilFunctionLeavesTheScheduleAsItWas(t *testing.T) {
	t.Parallel()
	want := durations{1, 2, 4}
	exponential := schedule.Exponential(1)
	failing := []step{{0, errors.New("x")}, {1, errors.New("y")}, {3, nil}}
	assert.Equal(t, want, answers(exponential.Delayed(nil), failing))
	assert.Equal(t, want, answers(exponential.WhileError(nil), failing))
	assert.Equal(t, want, answers(exponential.Tap(nil), failing))
	assert.Empty(t, schedule.FromRetryPolicy(nil).Delays(3))
}

func TestDelaysLetsVirtualTimePass(t *testing.T) {
	t.Parallel()
	// Steps come at 0 s, 1 s, 3 s and 7 s; the last one is past the limit.
	assert.Equal(t, durations{s, 2 * s, 4 * s}, schedule.Exponential(s).UpTo(7*s).Delays(9))
	// Time stops at its longest, rather than wrapping round to the beginning.
	assert.Equal(t, durations{forEver - 1, forEver - 1}, schedule.Spaced(forEver-1).UpTo(forEver).Delays(9))
}

func TestDelaysCallsNoTap(t *testing.T) {
	t.Parallel()
	schedule.Forever().Tap(func(schedule.Step) { t.Error("called") }).Delays(3)
}
