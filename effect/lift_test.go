package effect_test

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
)

func TestAFunctionWithoutAContextIsNotCalledOnceTheContextHasEnded(t *testing.T) {
	t.Parallel()
	for name, lifted := range map[string]effect.Effect[int]{
		"Sync": effect.Sync(func() int { t.Error("called"); return 1 }),
		"Try":  effect.Try(func() (int, error) { t.Error("called"); return 1, nil }),
	} {
		n, err := lifted(canceled(errCause))
		assert.ErrorIs(t, err, context.Canceled, name)
		assert.ErrorIs(t, err, errCause, name)
		assert.Zero(t, n, name)
	}
}

func TestALiftedFunctionEndsAsTheFunctionDoes(t *testing.T) {
	t.Parallel()
	n, err := effect.Sync(func() int { return 7 })(t.Context())
	require.NoError(t, err)
	require.Equal(t, 7, n)

	n, err = effect.Try(func() (int, error) { return 7, errBoom })(t.Context())
	require.Equal(t, errBoom, err)
	require.Equal(t, 7, n, "the value beside the error")

	ctx := canceled(errCause)
	_, err = effect.Action(func(given context.Context) error {
		assert.Equal(t, ctx, given)
		return errBoom
	})(ctx)
	require.Equal(t, errBoom, err)
}

// closer counts how often it was closed.
type closer struct{ closed int }

func (c *closer) Close() error { c.closed++; return errClose }

func TestCloseReleasesAResourceOfAnyType(t *testing.T) {
	t.Parallel()
	c := &closer{}
	open := effect.Sync(func() *closer { return c })
	use := func(c *closer) effect.Effect[int] { return effect.Succeed(c.closed) }
	n, err := effect.AcquireUseRelease(open, use, effect.Close)(t.Context())
	require.Equal(t, errClose, err)
	require.Equal(t, 0, n)
	require.Equal(t, 1, c.closed)

	_, err = effect.Scoped(effect.AcquireRelease(open, effect.Close))(t.Context())
	require.Equal(t, errClose, err)
	require.Equal(t, 2, c.closed)

	anInterface := effect.Sync(func() io.Closer { return c })
	_, err = effect.Scoped(effect.AcquireRelease(anInterface, effect.Close))(t.Context())
	require.Equal(t, errClose, err)
	require.Equal(t, 3, c.closed)
}
