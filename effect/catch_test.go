package effect_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/effect"
)

// The model of sequential programs says what a recovery does with a value, an
// interruption, a defect, and the value beside a failure.

func TestCatchTagFindsItsTypeWhereErrorsAsDoes(t *testing.T) {
	t.Parallel()
	missing, other := &notFound{"x"}, &busy{}
	ofName := effect.CatchTag(func(e *notFound) effect.Effect[string] { return effect.Succeed("instead of " + e.name) })
	tag := effect.CatchTag(func(e effect.Tagged) effect.Effect[string] { return effect.Succeed(e.Tag()) })
	first := effect.CatchTags(
		effect.Case(func(*busy) effect.Effect[string] { return effect.Succeed("busy") }),
		effect.Case(func(*notFound) effect.Effect[string] { return effect.Succeed("missing") }),
		effect.Case(func(effect.Tagged) effect.Effect[string] { return effect.Succeed("tagged") }),
	)
	for name, test := range map[string]struct {
		op      effect.Operator[string, string]
		failure error
		want    string // "": the failure stays
	}{
		"itself":                     {ofName, missing, "instead of x"},
		"wrapped twice":              {ofName, fmt.Errorf("a: %w", fmt.Errorf("b: %w", missing)), "instead of x"},
		"joined with one of its own": {ofName, errors.Join(missing, &notFound{"y"}), "instead of x"},
		"in a timeout":               {ofName, &effect.TimeoutError{Err: missing}, "instead of x"},
		"another":                    {ofName, other, ""},
		"others, joined":             {ofName, errors.Join(errBoom, other), ""},
		"an interface":               {tag, fmt.Errorf("wrapped: %w", missing), "NotFound"},
		"no such interface":          {tag, other, ""},
		"by the order of the cases":  {first, fmt.Errorf("%w, so %w", missing, other), "busy"},
		"the second case":            {first, missing, "missing"},
		"the last case":              {first, &effect.TimeoutError{}, "tagged"},
		"none of the cases":          {first, errBoom, ""},
		"no case":                    {effect.CatchTags[string](), errBoom, ""},
	} {
		s, err := test.op(effect.Fail[string](test.failure))(t.Context())
		assert.Equal(t, test.want, s, name)
		if test.want == "" {
			assert.Equal(t, test.failure, err, name)
		} else {
			assert.NoError(t, err, name)
		}
	}
}

// recoveries are the operators that do something about a failure; handled is called when
// they do.
func recoveries(handled func()) map[string]effect.Operator[int, int] {
	instead := func(error) effect.Effect[int] { handled(); return effect.Succeed(0) }
	return map[string]effect.Operator[int, int]{
		"CatchTag":  effect.CatchTag(instead),
		"CatchTags": effect.CatchTags(effect.Case(func(*notFound) effect.Effect[int] { return instead(nil) }), effect.Case(instead)),
		"CatchAll":  effect.CatchAll(instead),
		"OrElse":    effect.OrElse(func(context.Context) (int, error) { return instead(nil)(nil) }),
		"MapError":  effect.MapError[int](func(error) error { handled(); return nil }),
		"TapError":  effect.TapError[int](func(error) effect.Effect[effect.Void] { return do(handled) }),
		"Ignore": func(eff effect.Effect[int]) effect.Effect[int] {
			handled()
			return effect.As[effect.Void](0)(effect.Ignore(eff))
		},
	}
}

func TestRecoveriesHandleTheCancellationOfAnotherContext(t *testing.T) {
	t.Parallel()
	for name := range recoveries(func() {}) {
		handled := 0
		op := recoveries(func() { handled++ })[name]
		_, err := op(effect.Fail[int](canceled(nil).Err()))(t.Context())
		assert.Equal(t, 1, handled, name)
		assert.Equal(t, name == "TapError", err != nil, name)
	}
}
