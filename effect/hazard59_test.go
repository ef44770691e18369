package effect_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/schedule"
)

// beside is an effect that ends with a value and an error after d, whatever its context says.
func beside(d time.Duration, a int, err error) effect.Effect[int] {
	return stubborn(d, func(context.Context) (int, error) { return a, err })
}

// closing is a finalizer that takes d and fails.
func closing(d time.Duration) effect.Effect[effect.Void] {
	return func(context.Context) (effect.Void, error) { time.Sleep(d); return effect.Void{}, errClose }
}

func TestHazard59_AValueIsReturnedHoweverLateAndWhateverComesAfterIt(t *testing.T) {
	t.Parallel()
	inTime := beside(999*time.Millisecond, 42, nil)
	scoped := effect.AcquireUseRelease(effect.Succeed(0), func(int) effect.Effect[int] { return inTime },
		func(int, effect.Exit[any]) effect.Effect[effect.Void] { return closing(time.Minute) })
	for name, test := range map[string]struct {
		eff    effect.Effect[int]
		want   error
		isLate bool // it is a *TimeoutError as well
	}{
		"a late value": {beside(time.Minute, 42, nil), nil, false},
		"a value in time, before a finalizer that takes long": {effect.Ensuring[int](effect.Sleep(time.Second))(inTime), nil, false},
		"beside a late error":              {beside(time.Minute, 42, errBoom), errBoom, true},
		"beside a defect":                  {effect.Ensuring[int](panicking[effect.Void](errBoom))(beside(time.Minute, 42, nil)), errBoom, false},
		"a finalizer of Ensuring":          {effect.Ensuring[int](closing(time.Minute))(inTime), errClose, false},
		"a finalizer of AcquireUseRelease": {scoped, errClose, false},
		"two finalizers":                   {effect.Ensuring[int](closing(time.Second))(scoped), errClose, false},
		"a finalizer in a shorter one":     {effect.Timeout[int](time.Second)(scoped), errClose, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			a, err := effect.Timeout[int](2 * time.Second)(test.eff)(t.Context())
			require.ErrorIs(t, err, test.want, name)
			assert.Equal(t, test.isLate, errors.As(err, new(*effect.TimeoutError)), name)
			assert.Equal(t, 42, a, name)
		})
	}
}

func TestHazard59_WhatEndsForTheTimeoutHasTimedOutWhateverItsFinalizersSay(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		eff  effect.Effect[int]
		want []error
	}{
		"the work waited, and its finalizer failed":                {effect.Ensuring[int](closing(0))(untilCancelled[int]), []error{errClose}},
		"the work waited, and was retried":                         {effect.Ensuring[int](closing(0))(effect.Retry[int](schedule.Once())(untilCancelled[int])), []error{errClose}},
		"the work failed late, and a finalizer of its finalizer":   {effect.Ensuring[int](effect.Ensuring[effect.Void](closing(0))(do(func() {})))(beside(time.Minute, 0, errBoom)), []error{errBoom, errClose}},
		"the work yielded, and an operator noticed the end":        {effect.MapError[int](func(err error) error { return err })(effect.Ensuring[int](closing(time.Minute))(effect.Succeed(1))), []error{errClose}},
		"the work failed late, and so did its finalizer":           {effect.Ensuring[int](closing(0))(beside(time.Minute, 0, errBoom)), []error{errBoom, errClose}},
		"what came after work with a finalizer that failed waited": {effect.CatchAll(func(error) effect.Effect[int] { return untilCancelled[int] })(effect.Ensuring[int](closing(0))(effect.Succeed(1))), nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			_, err := effect.Timeout[int](time.Second)(test.eff)(t.Context())
			var timeout *effect.TimeoutError
			require.ErrorAs(t, err, &timeout, name)
			assert.Equal(t, test.want, effect.Failures(timeout.Err), name)
			assert.Len(t, effect.Failures(err), 1, name)
		})
	}
}

// TestHazard59_OnlyWhatStandsForTheEndIsLeftOut: the other failures of a join stay.
func TestHazard59_OnlyWhatStandsForTheEndIsLeftOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		eff := func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, errors.Join(errBoom, errors.Join(ctx.Err(), errClose), effect.Interrupted(ctx, &notFound{"x"}))
		}
		_, err := effect.Timeout[int](time.Second)(eff)(t.Context())
		var timeout *effect.TimeoutError
		require.ErrorAs(t, err, &timeout)
		assert.Equal(t, []error{errBoom, errClose, &notFound{"x"}}, effect.Failures(timeout.Err))
	})
}

func TestHazard59_AValueThatExistsIsReturnedBesideWhatComesAfterIt(t *testing.T) {
	t.Parallel()
	ended := func(a int, err error) effect.Effect[int] { return beside(0, a, err) }
	for name, test := range map[string]struct {
		eff  effect.Effect[int]
		want error
	}{
		"Tap, whose effect fails":                {effect.Tap(func(int) effect.Effect[int] { return effect.Fail[int](errBoom) })(ended(42, nil)), errBoom},
		"Tap, of an effect that has both":        {effect.Tap(func(int) effect.Effect[int] { return panicking[int](1) })(ended(42, errBoom)), errBoom},
		"Retry, when it gives up":                {effect.Retry[int](schedule.Once())(ended(42, errBoom)), errBoom},
		"RetryWhile, of what is not accepted":    {effect.RetryWhile[int](schedule.Forever(), func(error) bool { return false })(ended(42, errBoom)), errBoom},
		"Repeat":                                 {effect.Repeat[int](schedule.Forever())(ended(42, errBoom)), errBoom},
		"AcquireRelease, of what was not opened": {effect.Scoped(effect.AcquireRelease(ended(42, errBoom), func(int, effect.Exit[any]) effect.Effect[effect.Void] { return panicking[effect.Void](1) })), errBoom},
		"Retry, cancelled between two runs":      {effect.Retry[int](schedule.Spaced(time.Hour))(ended(42, errBoom)), context.Canceled},
		"Retry, cancelled in a run":              {effect.Retry[int](schedule.Forever())(beside(time.Minute, 42, errBoom)), context.Canceled},
		"Repeat, cancelled between two runs":     {effect.Repeat[int](schedule.Spaced(time.Hour))(ended(42, nil)), context.Canceled},
		"Tap, cancelled in between":              {effect.Tap(func(int) effect.Effect[int] { return panicking[int](1) })(beside(time.Minute, 42, nil)), context.Canceled},
	} {
		inBubble(t, func(ctx context.Context) {
			a, err := test.eff(ctx)
			require.ErrorIs(t, err, test.want, name)
			assert.Equal(t, 42, a, name)
		})
	}
}

// endsAtTheLook is a context that ends, and with it the fiber, when somebody waits for it.
type endsAtTheLook struct {
	context.Context
	end func()
}

func (c endsAtTheLook) Done() <-chan struct{} { c.end(); return c.Context.Done() }

func TestHazard59_AFiberThatEndsAtTheMomentOfItsCallersContextHasEnded(t *testing.T) {
	t.Parallel()
	for range 50 { // there is a choice of two channels
		let := make(chan struct{})
		fiber, err := effect.Fork(func(context.Context) (int, error) { <-let; return 42, nil })(t.Context())
		require.NoError(t, err)
		ctx := endsAtTheLook{canceled(nil), func() {
			close(let)
			_, _ = fiber.Await()(context.Background())
		}}
		a, err := fiber.Join()(ctx)
		require.NoError(t, err)
		require.Equal(t, 42, a)
	}
}
