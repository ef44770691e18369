package effect_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
)

// whereItPanics gives the stack a name to look for.
//
//go:noinline
func whereItPanics(value any) { panic(value) }

func panickingThere[A any](value any) effect.Effect[A] {
	return func(context.Context) (a A, err error) {
		whereItPanics(value)
		return a, err
	}
}

// defectOf is the defect that eff ends with.
func defectOf[A any](t *testing.T, eff effect.Effect[A]) *effect.Defect {
	t.Helper()
	d, ok := errors.AsType[*effect.Defect](effect.RunExit(t.Context(), eff).Err())
	require.True(t, ok)
	return d
}

func TestTheStackOfADefectNamesTheFunctionThatPanicked(t *testing.T) {
	t.Parallel()
	work := panickingThere[int]("boom")
	failing := effect.Fail[effect.Void](errClose)
	for name, eff := range map[string]effect.Effect[int]{
		"RunExit":           work,
		"a finalizer":       effect.Ensuring[int](panickingThere[effect.Void]("boom"))(effect.Succeed(1)),
		"nested scopes":     effect.Ensuring[int](failing)(effect.Ensuring[int](failing)(work)),
		"Join":              joined(work),
		"Join of a Join":    joined(joined(work)),
		"Join of a Race":    joined(effect.Race(work, untilCancelled[int])),
		"RaceFirst":         effect.RaceFirst(work, untilCancelled[int]),
		"All":               head(effect.All(2, work, untilCancelled[int])),
		"a scope in a Race": effect.Race(effect.Ensuring[int](failing)(work)),
	} {
		d := defectOf(t, eff)
		assert.Equal(t, "boom", d.Value, name)
		assert.Contains(t, string(d.Stack), "whereItPanics", name)
		assert.Contains(t, d.Error(), "whereItPanics", name)
		assert.Contains(t, d.Error(), "panic: boom", name)
	}

	d, ok := errors.AsType[*effect.Defect](awaited(t, t.Context(), endings["a failed require"]).Err())
	require.True(t, ok)
	assert.Equal(t, effect.ErrGoexit, d.Value)
	assert.Contains(t, string(d.Stack), "require.Equal", "which called runtime.Goexit")
}

func TestADefectUnwrapsToAnErrorThatWasPanickedWithAndToWhatFinalizersFailedWith(t *testing.T) {
	t.Parallel()
	d := defectOf(t, effect.Ensuring[int](effect.Fail[effect.Void](errClose))(panicking[int](errBoom)))
	assert.ErrorIs(t, d, errBoom)
	assert.ErrorIs(t, d, errClose)
	assert.Equal(t, errClose, d.Finalizers)
	assert.Contains(t, d.Error(), "close failed")
	assert.Equal(t, "Defect", d.Tag())

	value := []int{1} // which cannot be compared
	d = defectOf(t, joined(panicking[int](value)))
	assert.Equal(t, value, d.Value)
	assert.Empty(t, d.Unwrap())
	assert.NoError(t, d.Finalizers)
}

func TestADefectIsNotChangedByThoseItPasses(t *testing.T) {
	t.Parallel()
	closing := effect.Ensuring[int](effect.Fail[effect.Void](errClose))
	flushing := effect.Ensuring[int](effect.Fail[effect.Void](&busy{}))
	fiber, err := effect.Fork(panicking[int]("boom"))(t.Context())
	require.NoError(t, err)
	exit, err := fiber.Await()(t.Context())
	require.NoError(t, err)
	outer := defectOf(t, flushing(closing(fiber.Join())))
	assert.Equal(t, "boom", outer.Value)
	assert.Equal(t, "close failed\nbusy", outer.Finalizers.Error())

	first, ok := errors.AsType[*effect.Defect](exit.Err())
	require.True(t, ok)
	assert.NoError(t, first.Finalizers, "the first one may be in use elsewhere")
	assert.Equal(t, first.Stack, outer.Stack)
}
