package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGapsAreBetweenProcessesAndHandoffsHadAWaiter(t *testing.T) {
	t.Parallel()
	gaps, handoffs, err := between([]owned{
		{section{Asked: 400, Start: 500, End: 600}, 2}, // asked after the section before had ended
		{section{Asked: 0, Start: 100, End: 200}, 1},
		{section{Asked: 150, Start: 230, End: 300}, 2}, // waited
		{section{Asked: 50, Start: 310, End: 320}, 2},  // the same process
		{section{Asked: 10, Start: 601, End: 700}, 1},  // waited
	})
	require.NoError(t, err)
	assert.InDeltaSlice(t, []float64{30e-9, 1e-9}, gaps, 1e-12)
	assert.InDeltaSlice(t, []float64{30e-9, 1e-9}, handoffs, 1e-12)

	gaps, handoffs, err = between([]owned{
		{section{Asked: 0, Start: 100, End: 200}, 1},
		{section{Asked: 250, Start: 260, End: 300}, 2},
	})
	require.NoError(t, err)
	assert.InDeltaSlice(t, []float64{60e-9}, gaps, 1e-12)
	assert.Empty(t, handoffs, "nobody had been waiting")
}

func TestTwoProcessesInsideAtOnceAreSeen(t *testing.T) {
	t.Parallel()
	_, _, err := between([]owned{
		{section{Start: 100, End: 200}, 1},
		{section{Start: 199, End: 300}, 2},
	})
	require.ErrorIs(t, err, errNotExclusive)
	assert.ErrorContains(t, err, "1ns before another one ended")
}

func TestProcessesAreAddedUp(t *testing.T) {
	t.Parallel()
	one := answer{
		Figures:  figures{"acquired": 3, "requests": 9, "late": 1, "longest": 0.2},
		Shares:   []float64{1, 2},
		Sections: []section{{Asked: 0, Start: 10, End: 20}},
	}
	other := answer{
		Figures:  figures{"acquired": 3, "requests": 3, "late": 0, "longest": 0.7},
		Shares:   []float64{3, 0},
		Sections: []section{{Asked: 0, Start: 25, End: 30}},
	}
	f, err := gatherProcesses([]answer{one, other}, plan{window: 2 * time.Second})
	require.NoError(t, err)
	want := figures{
		"acquired": 6, "requests": 12, "late": 1, "longest": 0.7, "ops/s": 3, "jain": 36.0 / (4 * 14), "gap": 5e-9, "handoff": 5e-9,
	}
	for name, want := range want {
		assert.InDelta(t, want, f[name], 1e-12, name)
	}
}
