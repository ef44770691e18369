package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLibrariesTakeTurnsUntilTheWindowEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		taking := func(d time.Duration) *turns {
			return &turns{lock: func(context.Context) error { time.Sleep(d); return nil }}
		}
		slow, fast := taking(5*time.Millisecond), taking(time.Millisecond)
		require.NoError(t, byTurns(t.Context(), time.Now().Add(4*turnLength), slow, fast))
		assert.Equal(t, []float64{0.005, 0.005}, slow.p50)
		assert.Equal(t, []float64{0.001, 0.001}, fast.p50)
		assert.InDelta(t, 10, slow.locks, 0)
		assert.InDelta(t, 50, fast.locks, 0)
		assert.InDelta(t, 0.05, fast.lasted, 1e-9)

		slow.forget()
		require.NoError(t, byTurns(t.Context(), time.Now(), slow))
		assert.Len(t, slow.p50, 1, "at least one turn")
		assert.InDelta(t, 5, slow.locks, 0)

		failing := &turns{lock: func(context.Context) error { return assert.AnError }}
		assert.ErrorIs(t, byTurns(t.Context(), time.Now(), slow, failing), assert.AnError)
	})
}
