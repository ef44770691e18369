package effect_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
)

// store wraps one error in a type of its own.
type store struct{ cause error }

func (e *store) Error() string { return "store: " + e.cause.Error() }
func (e *store) Unwrap() error { return e.cause }

func TestHazard60_FailuresTakesAJoinApart(t *testing.T) {
	t.Parallel()
	x, y := &notFound{"x"}, &busy{}
	joined := fmt.Errorf("%w and %w", x, y)
	for name, test := range map[string]struct {
		err  error
		want []error
	}{
		"nil":                           {nil, nil},
		"one":                           {x, []error{x}},
		"one with a prefix":             {fmt.Errorf("a: %w", x), []error{fmt.Errorf("a: %w", x)}},
		"a join":                        {errors.Join(x, nil, y), []error{x, y}},
		"a join of one":                 {errors.Join(x), []error{x}},
		"joins in a join":               {errors.Join(errors.Join(x, errBoom), errors.Join(y)), []error{x, errBoom, y}},
		"a join with prefixes":          {fmt.Errorf("a: %w", fmt.Errorf("b: %w", errors.Join(x, y))), []error{x, y}},
		"a failure of several names":    {joined, []error{joined}},
		"work and finalizer of a scope": {failedTwice(x, errClose), []error{x, errClose}},
		"one failure, reported twice":   {failedTwice(x, x), []error{x}},
	} {
		assert.Equal(t, test.want, effect.Failures(test.err), name)
	}
}

func failedTwice(work, finalizer error) error {
	_, err := effect.Ensuring[int](effect.Fail[effect.Void](finalizer))(effect.Fail[int](work))(context.Background())
	return err
}

func TestHazard60_AFailureInATypedErrorIsThatAndItself(t *testing.T) {
	t.Parallel()
	outer := &store{fmt.Errorf("twice: %w", errors.Join(&notFound{"x"}, errBoom))}
	both := effect.Failures(outer)
	require.Len(t, both, 2)
	require.EqualError(t, both[0], "store: twice: x not found")
	require.EqualError(t, both[1], "store: twice: boom")
	for _, failure := range both {
		var found *store
		require.ErrorAs(t, failure, &found)
		require.Same(t, outer, found)
		require.ErrorIs(t, failure, outer)
	}
	require.ErrorAs(t, both[0], new(*notFound))
	require.NotErrorAs(t, both[1], new(*notFound))
	require.ErrorIs(t, both[1], errBoom)
	require.NotErrorIs(t, both[0], errBoom)

	n, err := effect.CatchTag(func(*store) effect.Effect[int] { return effect.Succeed(1) })(effect.Fail[int](outer))(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	_, err = effect.CatchTag(func(*notFound) effect.Effect[int] { return effect.Succeed(1) })(effect.Fail[int](outer))(t.Context())
	assert.Equal(t, outer, err)
}

// coded has a sentinel and another type besides its own.
type coded struct{ store }

func (*coded) Is(target error) bool { return target == errCause }

func (*coded) As(target any) bool {
	found, ok := target.(**busy)
	if ok {
		*found = &busy{}
	}
	return ok
}

func TestHazard60_AFailureInATypedErrorIsWhatThatSaysOfItself(t *testing.T) {
	t.Parallel()
	for _, failure := range effect.Failures(&coded{store{errors.Join(errBoom, errClose)}}) {
		require.ErrorIs(t, failure, errCause)
		require.ErrorAs(t, failure, new(*busy))
		require.NotErrorAs(t, failure, new(*notFound))
	}
}

func TestHazard60_AHandlerForTheReleaseDoesNotSwallowTheFailureOfTheWork(t *testing.T) {
	t.Parallel()
	work, release := &notFound{"order"}, &busy{}
	failing := effect.Ensuring[int](effect.Fail[effect.Void](release))(func(context.Context) (int, error) { return 42, work })
	prefixed := effect.MapError[int](func(err error) error { return fmt.Errorf("charge: %w", err) })
	ran := ""
	ofWork := func(*notFound) effect.Effect[int] { ran += "work"; return effect.Succeed(1) }
	ofRelease := func(*busy) effect.Effect[int] { ran += "release"; return effect.Succeed(2) }
	for name, test := range map[string]struct {
		op   effect.Operator[int, int]
		want string
	}{
		"a case for the release": {effect.CatchTag(ofRelease), ""},
		"a case for the work":    {effect.CatchTag(ofWork), ""},
		"a case for each":        {effect.CatchTags(effect.Case(ofRelease), effect.Case(ofWork)), "work"},
		"cases, none for it":     {effect.CatchTags(effect.Case(ofRelease), effect.Case(func(*store) effect.Effect[int] { ran += "store"; return nil })), ""},
	} {
		for _, eff := range []effect.Effect[int]{failing, prefixed(failing)} {
			ran = ""
			a, err := test.op(eff)(t.Context())
			assert.Equal(t, test.want, ran, name)
			if test.want == "" {
				require.ErrorIs(t, err, work, name)
				require.ErrorIs(t, err, release, name)
				assert.Equal(t, 42, a, name)
				continue
			}
			require.NoError(t, err, name)
		}
	}
}

func TestHazard60_WhatTakesEveryFailureGetsTheWholeJoin(t *testing.T) {
	t.Parallel()
	failing := effect.Ensuring[int](effect.Fail[effect.Void](errClose))(effect.Fail[int](errBoom))
	var got []error
	see := func(err error) { got = effect.Failures(err) }
	for name, op := range map[string]effect.Operator[int, int]{
		"CatchAll": effect.CatchAll(func(err error) effect.Effect[int] { see(err); return effect.Succeed(0) }),
		"MapError": effect.MapError[int](func(err error) error { see(err); return err }),
		"TapError": effect.TapError[int](func(err error) effect.Effect[effect.Void] { return do(func() { see(err) }) }),
	} {
		got = nil
		_, _ = op(failing)(t.Context())
		assert.Equal(t, []error{errBoom, errClose}, got, name)
	}
}
