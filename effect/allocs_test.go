package effect_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/schedule"
)

// TestWorkThatEndsAtOnceCostsFewAllocations is not parallel: the allocations of other
// tests would be counted.
func TestWorkThatEndsAtOnceCostsFewAllocations(t *testing.T) { //nolint:paralleltest // see above
	work, nothing := effect.Succeed(1), effect.Succeed(effect.Void{})
	release := func(int, effect.Exit[any]) effect.Effect[effect.Void] { return nothing }
	for name, test := range map[string]struct {
		eff  effect.Effect[int]
		most float64
	}{
		"Retry":             {effect.Retry[int](schedule.Recurs(1))(work), 0},
		"Timeout":           {effect.Timeout[int](time.Minute)(work), 1},
		"Ensuring":          {effect.Ensuring[int](nothing)(work), 1},
		"Scoped":            {effect.Scoped(func(*effect.Scope) effect.Effect[int] { return work }), 1},
		"AcquireRelease":    {effect.Scoped(effect.AcquireRelease(work, release)), 5},
		"AcquireUseRelease": {effect.AcquireUseRelease(work, func(int) effect.Effect[int] { return work }, release), 8},
	} {
		allocs := testing.AllocsPerRun(100, func() { _, _ = test.eff(context.Background()) })
		assert.LessOrEqual(t, allocs, test.most, name)
	}
}
