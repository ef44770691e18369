package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func written(r result) string {
	var b strings.Builder
	r.write(&b)
	return b.String()
}

func TestTablesShowMediansSpreadRatiosAndWhatWasSeen(t *testing.T) {
	t.Parallel()
	text := written(measured())
	for _, line := range []string{
		"## W3: a title",
		"**1,000 goroutines**",
		"| library | ops/s | of raw | fairness | remarks |",
		"| raw | 2,000 (1,000–4,000) | 1.00× | 0.500 (0.500–0.500) |  |",
		"| effectlock | 2,200 (2,000–8,000) | 2.00× | 0.500 (0.500–0.500) |  |",
		`| silent | – | – | – | 3 of 3 rounds: stuck \| at once |`,
		`| effectlock | 900 | 90.00× | 0.500 | 2 of 3 rounds: stuck \| at once |`,
	} {
		assert.Contains(t, text, line+"\n")
	}
}

func TestTargetsAreMetOrMissed(t *testing.T) {
	t.Parallel()
	r := measured()
	text := written(r)
	assert.Contains(t, text, "| ops/s at 2, of raw | ≥ 1.50× | 2.00× | met |\n")
	assert.Contains(t, text, "| fairness at 2 | ≤ 0.400 | 0.500 | missed |\n")
	assert.Contains(t, text, "| flatness | ≤ 1.25× | 2.44× | missed |\n")

	r.outcomes[spot{ours, 1000}] = nil
	assert.Contains(t, written(r), "| flatness | ≤ 1.25× | – | not measured |\n")

	r.peers = r.peers[:2]
	assert.NotContains(t, written(r), "target", "without this library there are none")
}

func TestEveryTargetIsAColumnOfItsTable(t *testing.T) {
	t.Parallel()
	for _, w := range allWorkloads() {
		all := figures{}
		for _, c := range w.columns {
			all[c.figure] = 1
		}
		r := result{workload: w, plan: w.plan(false), outcomes: map[spot][]outcome{}}
		for _, kase := range r.plan.cases {
			r.outcomes[spot{baseline, kase}] = []outcome{{figures: all}}
			r.outcomes[spot{ours, kase}] = []outcome{{figures: all}}
		}
		assert.NotEmpty(t, w.targets, w.name)
		for _, target := range w.targets {
			assert.InDelta(t, 1, target.value(r), 1e-9, "%s: %s", w.name, target.text)
		}
	}
}

func TestFiguresHaveTheirUnitsAndSeparators(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 57285.4: "57,285", 1234567: "1,234,567", -1234: "-1,234", -123: "-123"} {
		assert.Equal(t, want, whole(v))
	}
	assert.Equal(t, "41.2 µs", micros(41.2e-6))
	assert.Equal(t, "200.0 ms", millis(0.2))
	assert.Equal(t, "60 MiB", mebibytes(60<<20))
	assert.Equal(t, "97.5 %", percent(0.975))
	assert.Equal(t, "0.8", rate(0.8))
	assert.Equal(t, "59,000", rate(59_000))
}
