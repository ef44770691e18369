package effect_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
)

// joined runs eff in a fiber that it joins.
func joined[A any](eff effect.Effect[A]) effect.Effect[A] {
	return effect.FlatMap((*effect.Fiber[A]).Join)(effect.Fork(eff))
}

// awaited runs eff in a fiber, and yields how it ended, whatever happens meanwhile.
func awaited[A any](t *testing.T, ctx context.Context, eff effect.Effect[A]) effect.Exit[A] { //nolint:revive // t first, as in testify
	t.Helper()
	fiber, err := effect.Fork(eff)(ctx)
	require.NoError(t, err)
	exit, err := fiber.Await()(context.Background())
	require.NoError(t, err)
	return exit
}

func TestJoinEndsAsTheFiberDid(t *testing.T) {
	t.Parallel()
	n, err := joined(effect.Succeed(3))(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 3, n)

	_, err = joined(effect.Fail[int](errBoom))(t.Context())
	assert.Equal(t, errBoom, err)

	o := observe(t.Context(), joined(panickingThere[int]("boom")))
	d, ok := o.panicked.(*effect.Defect)
	require.True(t, ok)
	assert.Equal(t, "boom", d.Value)
	assert.Contains(t, string(d.Stack), "whereItPanics")

	assert.True(t, observe(t.Context(), joined(goexit[int])).goexit)
}

func TestJoinLosesNothingOfAFiberWhoseFinalizerPanicked(t *testing.T) {
	t.Parallel()
	panicky := effect.Ensuring[int](panicking[effect.Void]("late"))
	o := observe(t.Context(), joined(panicky(effect.Fail[int](errBoom))))
	require.Nil(t, o.panicked, "the effect did not panic")
	require.ErrorIs(t, o.err, errBoom)
	var d *effect.Defect
	require.ErrorAs(t, o.err, &d)
	assert.Equal(t, "late", d.Value)

	o = observe(t.Context(), joined(panicky(effect.Succeed(3))))
	require.ErrorAs(t, o.err, &d)
	assert.Equal(t, 3, o.value)
}

func TestAFiberCanBeJoinedManyTimesAndConcurrently(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	fiber, err := effect.Fork(func(context.Context) (int, error) { <-release; return 3, nil })(t.Context())
	require.NoError(t, err)
	var joining sync.WaitGroup
	for range 8 {
		joining.Go(func() {
			for range 3 {
				n, err := fiber.Join()(t.Context())
				assert.NoError(t, err)
				assert.Equal(t, 3, n)
				exit, err := fiber.Interrupt()(t.Context())
				assert.NoError(t, err)
				assert.True(t, exit.IsSuccess())
			}
		})
	}
	close(release)
	joining.Wait()
}

func TestAwaitNeverPanics(t *testing.T) {
	t.Parallel()
	for ending, want := range map[string]string{
		"a value": "success", "an error": "failure", "cancellation": "interruption",
		"a panic": "defect", "a nil panic": "defect", "runtime.Goexit": "defect", "a failed require": "defect",
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			assert.Equal(t, want, kind(awaited(t, ctx, endings[ending])), ending)
		})
	}
}

func TestWaitingForAFiberFailsOnlyWhenTheOwnContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fiber, err := effect.Fork(effect.Sleep(time.Minute))(t.Context())
		require.NoError(t, err)
		waits := map[string]func(context.Context) error{
			"Await": func(ctx context.Context) error { _, err := fiber.Await()(ctx); return err },
			"Join":  func(ctx context.Context) error { _, err := fiber.Join()(ctx); return err },
		}
		for name, wait := range waits {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errCause)
			err := wait(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded, name)
			require.ErrorIs(t, err, errCause, name)
			cancel()
		}
		assert.True(t, option.IsNone(fiber.Poll()), "it still runs")
		time.Sleep(time.Hour)
		for name, wait := range waits {
			require.NoError(t, wait(canceled(nil)), "%s of a fiber that has ended", name)
		}
	})
}

func TestInterruptCancelsAndWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cleaned := false
		fiber, err := effect.Fork(effect.Ensuring[int](func(ctx context.Context) (effect.Void, error) {
			defer func() { cleaned = true }()
			return effect.Sleep(2 * time.Second)(ctx)
		})(untilCancelled[int]))(t.Context())
		require.NoError(t, err)
		start := time.Now()
		exit, err := fiber.Interrupt()(t.Context())
		require.NoError(t, err)
		assert.True(t, exit.IsInterruption())
		assert.True(t, cleaned)
		assert.Equal(t, 2*time.Second, time.Since(start))

		_, err = fiber.Join()(t.Context())
		assert.ErrorIs(t, err, context.Canceled)
	})
}

func TestAnInterruptedFiberThatEndsWithAValueHasSucceeded(t *testing.T) {
	t.Parallel()
	fiber, err := effect.Fork(func(ctx context.Context) (int, error) { <-ctx.Done(); return 3, nil })(t.Context())
	require.NoError(t, err)
	exit, err := fiber.Interrupt()(t.Context())
	require.NoError(t, err)
	n, ok := exit.Value()
	assert.True(t, ok)
	assert.Equal(t, 3, n)
}

func TestInterruptCancelsThoughItsOwnContextHasEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fiber, err := effect.Fork(effect.Ensuring[int](effect.Sleep(time.Second))(untilCancelled[int]))(t.Context())
		require.NoError(t, err)
		_, err = fiber.Interrupt()(canceled(errCause))
		require.ErrorIs(t, err, errCause)
		exit, err := fiber.Await()(t.Context())
		require.NoError(t, err)
		assert.True(t, exit.IsInterruption())
	})
}

func TestAFiberMayInterruptItself(t *testing.T) {
	t.Parallel()
	self := make(chan *effect.Fiber[int], 1)
	fiber, err := effect.Fork(func(ctx context.Context) (int, error) {
		_, err := (<-self).Interrupt()(ctx)
		return 0, err
	})(t.Context())
	require.NoError(t, err)
	self <- fiber
	exit, err := fiber.Await()(t.Context())
	require.NoError(t, err)
	assert.True(t, exit.IsInterruption())
}

func TestPollTellsWhetherTheFiberHasEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fiber, err := effect.Fork(effect.As[effect.Void](3)(effect.Sleep(time.Second)))(t.Context())
		require.NoError(t, err)
		assert.True(t, option.IsNone(fiber.Poll()))
		time.Sleep(time.Second)
		synctest.Wait()
		exit, ok := option.Unwrap(fiber.Poll())
		require.True(t, ok)
		n, _ := exit.Value()
		assert.Equal(t, 3, n)
	})
}

func TestAFiberThatHasEndedHasGivenUpItsContext(t *testing.T) {
	t.Parallel()
	var inside context.Context
	awaited(t, t.Context(), func(ctx context.Context) (int, error) { inside = ctx; return 0, nil }) //nolint:fatcontext // looked at after the end
	assert.ErrorIs(t, inside.Err(), context.Canceled)
}
