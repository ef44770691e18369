package effect_test

import (
	"context"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
)

func TestRunRunsInTheCallingGoroutine(t *testing.T) {
	t.Parallel()
	id := func() string {
		stack := make([]byte, 64)
		return strings.Fields(string(stack[:runtime.Stack(stack, false)]))[1]
	}
	inside, err := effect.Run(t.Context(), func(context.Context) (string, error) { return id(), nil })
	require.NoError(t, err)
	assert.Equal(t, id(), inside)
	exit := effect.RunExit(t.Context(), func(context.Context) (string, error) { return id(), nil })
	inside, _ = exit.Value()
	assert.Equal(t, id(), inside)
}

func TestRunEndsAsItsEffectDoes(t *testing.T) {
	t.Parallel()
	n, err := effect.Run(t.Context(), effect.Succeed(3))
	require.NoError(t, err)
	assert.Equal(t, 3, n)
	_, err = effect.Run(t.Context(), effect.Fail[int](errBoom))
	assert.Equal(t, errBoom, err)
	_, err = effect.Run(canceled(errCause), untilCancelled[int])
	assert.ErrorIs(t, err, errCause)
	assert.PanicsWithValue(t, "boom", func() { _, _ = effect.Run(t.Context(), panicking[int]("boom")) })
}

func TestRunExitReturnsAPanicAsADefect(t *testing.T) {
	t.Parallel()
	exit := effect.RunExit(t.Context(), panicking[int](errBoom))
	assert.True(t, exit.IsDefect())
	assert.ErrorIs(t, exit.Err(), errBoom)
}

func TestGoexitPassesRunAndRunExit(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Run", "RunExit"} {
		assert.True(t, observe(t.Context(), owners[name](goexit[int])).goexit, name)
	}
}
