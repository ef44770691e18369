package main

import (
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

// measured is a workload of two cases, 2 and 1,000, in three rounds.
func measured() result {
	w := workload{
		name: "W3", title: "a title", about: "About.", unit: "goroutines",
		columns: []column{{"ops/s", "ops/s", whole, true}, {"jain", "fairness", thousandth, false}},
		targets: []target{
			opsAtLeast(2, "ops/s at 2", 1.5),
			atMost(2, "jain", "fairness at 2", 0.4, thousandth),
			{"flatness", flatness(2, 1000), 1.25, true, times},
		},
	}
	round := func(ops float64) outcome {
		return outcome{figures: figures{"ops/s": ops, "jain": 0.5, "time/handoff": 1 / ops, "requests/handoff": 2}}
	}
	stuck := outcome{figures: figures{"ops/s": 1e9}, err: errors.New("stuck | at\nonce")}
	return result{
		workload: w, plan: plan{cases: []int{2, 1000}}, rounds: 3,
		peers: []peer{{name: baseline}, {name: "silent"}, {name: ours}},
		outcomes: map[spot][]outcome{
			{baseline, 2}:    {round(1000), round(2000), round(4000)},
			{ours, 2}:        {round(2000), round(2200), round(8000)},
			{baseline, 1000}: {round(10), round(10), round(10)},
			{ours, 1000}:     {stuck, round(900), stuck},
			{"silent", 2}:    {stuck, stuck, stuck},
			{"silent", 1000}: {stuck, stuck, stuck},
		},
	}
}

func TestRatiosCompareWithinARound(t *testing.T) {
	t.Parallel()
	r := measured()
	assert.InDelta(t, 2200, r.median(ours, 2, "ops/s"), 1e-9)
	assert.InDelta(t, 2.0, r.ratio(ours, 2, "ops/s"), 1e-9, "the median of 2, 1.1 and 2, not 2,200 / 2,000")
	least, most := r.extremes(ours, 2, "ops/s")
	assert.InDelta(t, 2000, least, 1e-9)
	assert.InDelta(t, 8000, most, 1e-9)
}

func TestRoundsThatFailedCountForNothingButAreTold(t *testing.T) {
	t.Parallel()
	r := measured()
	assert.InDelta(t, 900, r.median(ours, 1000, "ops/s"), 1e-9)
	assert.InDelta(t, 90, r.ratio(ours, 1000, "ops/s"), 1e-9)
	assert.Equal(t, []string{"2 of 3 rounds: stuck | at\nonce"}, r.remarks(ours, 1000))
	assert.True(t, math.IsNaN(r.usual(ours, 1000, "ops/s")), "one round of three is not the usual")
	assert.InDelta(t, 2200, r.usual(ours, 2, "ops/s"), 1e-9)
	assert.True(t, math.IsNaN(r.median("silent", 2, "ops/s")))
	assert.True(t, math.IsNaN(r.ratio("silent", 2, "ops/s")))
}

func TestFlatnessIsOverAllCases(t *testing.T) {
	t.Parallel()
	assert.InDelta(t, 2200.0/900, flatness(2, 1000)(measured()), 1e-9)
	assert.True(t, math.IsNaN(flatness(2, 16)(measured())), "one case has no figure")
}
