package effect_test

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
)

// The model of sequential programs says how a fiber ends, and what Join and Await make of
// it.

// joined runs eff in a fiber that it joins.
func joined[A any](eff effect.Effect[A]) effect.Effect[A] {
	return effect.FlatMap((*effect.Fiber[A]).Join)(effect.Fork(eff))
}

// joinedWithoutCancel waits for its fiber even if the context ends first.
func joinedWithoutCancel(work effect.Effect[int]) effect.Effect[int] {
	return func(ctx context.Context) (int, error) {
		fiber, err := effect.Fork(work)(ctx)
		if err != nil {
			return 0, err
		}
		return fiber.Join()(context.WithoutCancel(ctx))
	}
}

// awaited runs eff in a fiber, and returns how it ended, even if ctx ends first.
func awaited[A any](t *testing.T, ctx context.Context, eff effect.Effect[A]) effect.Exit[A] { //nolint:revive // t first, as in testify
	t.Helper()
	fiber, err := effect.Fork(eff)(ctx)
	require.NoError(t, err)
	exit, err := fiber.Await()(context.Background())
	require.NoError(t, err)
	return exit
}

func TestAFiberCanBeJoinedAndInterruptedManyTimesAndConcurrently(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	fiber, err := effect.Fork(func(context.Context) (int, error) { <-release; return 3, nil })(t.Context())
	require.NoError(t, err)
	assert.True(t, option.IsNone(fiber.Poll()))
	var joining sync.WaitGroup
	for range 8 {
		joining.Go(func() {
			for range 3 {
				n, err := fiber.Join()(t.Context())
				assert.NoError(t, err)
				assert.Equal(t, 3, n)
				exit, err := fiber.Interrupt()(t.Context())
				assert.NoError(t, err)
				assert.True(t, exit.IsSuccess(), "though it was interrupted")
				exit, ok := option.Unwrap(fiber.Poll())
				assert.True(t, ok)
				assert.True(t, exit.IsSuccess())
			}
		})
	}
	close(release)
	joining.Wait()
}

func TestWaitingForAFiberFailsOnlyWhenTheContextOfTheCallEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fiber, err := effect.Fork(effect.Sleep(time.Minute))(t.Context())
		require.NoError(t, err)
		waits := map[string]func(context.Context) error{
			"Await": func(ctx context.Context) error { _, err := fiber.Await()(ctx); return err },
			"Join":  func(ctx context.Context) error { _, err := fiber.Join()(ctx); return err },
		}
		for name, wait := range waits {
			ctx, cancel := deadline(time.Second)(t.Context())
			err := wait(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded, name)
			require.ErrorIs(t, err, errCause, name)
			cancel()
		}
		assert.True(t, option.IsNone(fiber.Poll()), "it is still running")
		time.Sleep(time.Hour)
		for name, wait := range waits {
			require.NoError(t, wait(canceled(nil)), "%s of a fiber that has ended", name)
		}
	})
}

func TestInterruptCancelsAndWaitsForAsLongAsItsContextLasts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fiber, err := effect.Fork(effect.Ensuring[int](effect.Sleep(2 * time.Second))(untilCancelled[int]))(t.Context())
		require.NoError(t, err)
		_, err = fiber.Interrupt()(canceled(errCause))
		require.ErrorIs(t, err, errCause)
		start := time.Now()
		exit, err := fiber.Interrupt()(t.Context())
		require.NoError(t, err)
		assert.True(t, exit.IsInterruption())
		assert.Equal(t, 2*time.Second, time.Since(start), "the first call has cancelled it")
		_, err = fiber.Join()(t.Context())
		assert.ErrorIs(t, err, context.Canceled)
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

func TestAFiberThatHasEndedHasCancelledItsContext(t *testing.T) {
	t.Parallel()
	var inside context.Context
	awaited(t, t.Context(), func(ctx context.Context) (int, error) { inside = ctx; return 0, nil }) //nolint:fatcontext // checked after the end
	assert.ErrorIs(t, inside.Err(), context.Canceled)
}

func TestRunRunsInTheCallingGoroutine(t *testing.T) {
	t.Parallel()
	id := func(context.Context) (string, error) {
		stack := make([]byte, 64)
		return strings.Fields(string(stack[:runtime.Stack(stack, false)]))[1], nil
	}
	here, _ := id(t.Context())
	inside, err := effect.Run(t.Context(), id)
	require.NoError(t, err)
	assert.Equal(t, here, inside)
	inside, _ = effect.RunExit(t.Context(), id).Value()
	assert.Equal(t, here, inside)
	assert.True(t, observe(t.Context(), owners["RunExit"](goexit[int])).goexit, "which cannot be stopped")
}
