package effect_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
)

// asleep forks eff behind a sleep of a minute, and hands the fiber to then.
func asleep(eff effect.Effect[int], then effect.Kleisli[*effect.Fiber[int], int]) effect.Effect[int] {
	return effect.Scoped(func(s *effect.Scope) effect.Effect[int] {
		return effect.FlatMap(then)(effect.ForkInAfter[int](s, time.Minute)(eff))
	})
}

func TestAFiberThatSleepsRunsWhenItWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		a, err := asleep(effect.Succeed(42), func(f *effect.Fiber[int]) effect.Effect[int] {
			assert.True(t, option.IsNone(f.Poll()))
			return f.Join()
		})(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 42, a)
		assert.Equal(t, time.Minute, time.Since(began))
	})
}

func TestAFiberThatSleepsIsInterruptedAtOnceAndNeverRuns(t *testing.T) {
	never := func(context.Context) (int, error) { panic("it ran") }
	for name, then := range map[string]effect.Kleisli[*effect.Fiber[int], int]{
		"by its scope": func(*effect.Fiber[int]) effect.Effect[int] { return effect.Succeed(1) },
		"by Interrupt": func(f *effect.Fiber[int]) effect.Effect[int] {
			return func(ctx context.Context) (int, error) {
				for range 2 {
					exit, err := f.Interrupt()(ctx)
					require.NoError(t, err)
					assert.True(t, exit.IsInterruption())
				}
				_, err := f.Join()(ctx)
				assert.ErrorIs(t, err, context.Canceled)
				return 1, nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				_, err := asleep(never, then)(t.Context())
				require.NoError(t, err)
				assert.Zero(t, time.Since(began))
				time.Sleep(time.Hour)
			})
		})
	}
}

func TestAFiberThatHasWokenIsCancelledAndWaitedForByItsScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := false
		_, err := asleep(func(ctx context.Context) (int, error) {
			<-ctx.Done()
			time.Sleep(time.Second)
			ended = true
			return 0, ctx.Err()
		}, func(*effect.Fiber[int]) effect.Effect[int] {
			return effect.As[effect.Void](1)(effect.Sleep(time.Hour))
		})(t.Context())
		require.NoError(t, err)
		assert.True(t, ended)
	})
}

func TestAFiberThatSleepsIsNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	_, err := effect.Scoped(func(s *effect.Scope) effect.Effect[int] {
		return func(ctx context.Context) (int, error) {
			for range 1000 {
				_, err := effect.ForkInAfter[int](s, time.Hour)(effect.Succeed(1))(ctx)
				require.NoError(t, err)
			}
			assert.Less(t, runtime.NumGoroutine(), before+100)
			return 0, nil
		}
	})(t.Context())
	require.NoError(t, err)
}

func TestAClosedScopeRefusesAFiberThatSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed *effect.Scope
		_, err := effect.Scoped(func(s *effect.Scope) effect.Effect[int] {
			closed = s
			return effect.Succeed(1)
		})(t.Context())
		require.NoError(t, err)
		_, err = effect.ForkInAfter[int](closed, time.Minute)(func(context.Context) (int, error) { panic("it ran") })(t.Context())
		require.ErrorIs(t, err, effect.ErrScopeClosed)
		time.Sleep(time.Hour)
	})
}

// The alarm, the interruption and the end of the scope meet: one of them has the fiber.
func TestAFiberThatIsWokenAndInterruptedAtOnceEndsOnce(t *testing.T) {
	t.Parallel()
	for range 2000 {
		runs := 0
		_, err := effect.Scoped(func(s *effect.Scope) effect.Effect[int] {
			return func(ctx context.Context) (int, error) {
				f, err := effect.ForkInAfter[int](s, time.Microsecond)(func(context.Context) (int, error) {
					runs++
					return 1, nil
				})(ctx)
				require.NoError(t, err)
				var both sync.WaitGroup
				for range 2 {
					both.Go(func() { _, _ = f.Interrupt()(ctx) })
				}
				both.Wait()
				return 0, nil
			}
		})(t.Context())
		require.NoError(t, err)
		require.LessOrEqual(t, runs, 1)
	}
}
