package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

// The processes of a measurement run this same program, also when it is the test binary.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == childFlag {
		os.Exit(child(os.Args[2]))
	}
	redistest.Main(m)
}

func TestFlagsNameWorkloadsInAnyCase(t *testing.T) {
	t.Parallel()
	name := func(w workload) string { return w.name }
	picked, err := pick("-only", "w3, W1s", allWorkloads(), name)
	require.NoError(t, err)
	require.Len(t, picked, 2)
	assert.Equal(t, "W3", picked[0].name)
	assert.Equal(t, "W1s", picked[1].name)

	all, err := pick("-only", "", allWorkloads(), name)
	require.NoError(t, err)
	assert.Len(t, all, len(allWorkloads()))

	_, err = pick("-only", "W3,W9", allWorkloads(), name)
	assert.EqualError(t, err, `-only: "W9" is none of W1, W1s, W1m, W2, W3, W3s, W4, W4t, W5, W6, scripts, footprint`)
}
