package effect_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
)

// slow is a fiber that takes a second to clean up once it is cancelled.
func slow(ended *bool) effect.Effect[effect.Void] {
	return func(ctx context.Context) (none effect.Void, err error) {
		<-ctx.Done()
		time.Sleep(time.Second)
		*ended = true
		return none, effect.Interrupted(ctx, nil)
	}
}

// owners are the effects that end what is forked in them.
var owners = map[string]func(effect.Effect[int]) effect.Effect[int]{
	"Scoped": func(work effect.Effect[int]) effect.Effect[int] {
		return effect.Scoped(func(*effect.Scope) effect.Effect[int] { return work })
	},
	"Run": func(work effect.Effect[int]) effect.Effect[int] {
		return func(ctx context.Context) (int, error) { return effect.Run(ctx, work) }
	},
	"RunExit": func(work effect.Effect[int]) effect.Effect[int] {
		return func(ctx context.Context) (int, error) {
			exit := effect.RunExit(ctx, work)
			n, _ := exit.Value()
			return n, exit.Err()
		}
	},
	"a parent fiber":    joinedWithoutCancel,
	"an effect of All":  func(work effect.Effect[int]) effect.Effect[int] { return head(effect.All(0, work)) },
	"one that races":    func(work effect.Effect[int]) effect.Effect[int] { return effect.RaceFirst(work) },
	"AcquireUseRelease": func(work effect.Effect[int]) effect.Effect[int] { return guards["AcquireUseRelease"](work, nothing) },
}

func head(many effect.Effect[[]int]) effect.Effect[int] {
	return effect.Map(func(ns []int) int { return ns[0] })(many)
}

// joinedWithoutCancel waits for its fiber even if the context ends before.
func joinedWithoutCancel(work effect.Effect[int]) effect.Effect[int] {
	return func(ctx context.Context) (int, error) {
		fiber, err := effect.Fork(work)(ctx)
		if err != nil {
			return 0, err
		}
		return fiber.Join()(context.WithoutCancel(ctx))
	}
}

func TestWhatIsForkedEndsWithItsOwnerWhichWaits(t *testing.T) {
	t.Parallel()
	for name, owner := range owners {
		for ending, work := range endings {
			t.Run(name+" that ends with "+ending, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					var child, grandchild bool
					// The work lets both start before it ends.
					observe(ctx, owner(effect.ZipRight[*effect.Fiber[effect.Void]](stubborn(time.Second, work))(
						effect.Fork(effect.ZipRight[*effect.Fiber[effect.Void]](slow(&child))(effect.Fork(slow(&grandchild)))))))
					assert.True(t, child)
					assert.True(t, grandchild)
				})
			})
		}
	}
}

func TestForkedFibersCloseInOrderWithOtherResources(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended, endedAtRelease := false, false
		_, err := effect.Scoped(func(s *effect.Scope) effect.Effect[*effect.Fiber[effect.Void]] {
			release := s.AddFinalizer(func(effect.Exit[any]) effect.Effect[effect.Void] {
				return do(func() { endedAtRelease = ended })
			})
			return effect.ZipRight[effect.Void](effect.ForkIn[effect.Void](s)(slow(&ended)))(release)
		})(t.Context())
		require.NoError(t, err)
		assert.True(t, endedAtRelease, "the fiber was forked last and has ended first")
	})
}

func TestForkEndsWithTheContextOfTheCall(t *testing.T) {
	t.Parallel()
	for name, owner := range owners {
		synctest.Test(t, func(t *testing.T) {
			_, err := owner(func(ctx context.Context) (int, error) {
				bounded, cancel := context.WithTimeoutCause(ctx, time.Second, errCause)
				defer cancel()
				fiber, err := effect.Fork(untilCancelled[int])(bounded)
				require.NoError(t, err)
				start := time.Now()
				exit, err := fiber.Await()(ctx)
				assert.Equal(t, time.Second, time.Since(start), name)
				assert.True(t, exit.IsInterruption(), name)
				assert.ErrorIs(t, exit.Err(), errCause, name)
				return 0, err
			})(t.Context())
			require.NoError(t, err)
		})
	}
}

func TestWithoutAnOwnerOnlyTheContextBoundsWhatIsForked(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	fiber, err := effect.Fork(untilCancelled[int])(ctx)
	require.NoError(t, err)
	assert.True(t, option.IsNone(fiber.Poll()))
	cancel(errCause)
	exit, err := fiber.Await()(t.Context())
	require.NoError(t, err)
	assert.True(t, exit.IsInterruption())
	assert.ErrorIs(t, exit.Err(), errCause)
}

func TestForkDoesNotStartWhenItsContextHasEnded(t *testing.T) {
	t.Parallel()
	start := func(context.Context) (int, error) { t.Error("started"); return 0, nil }
	_, err := effect.Fork(start)(canceled(errCause))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, errCause)
}

func TestForkInOutlivesTheContextOfTheCallButNotTheScope(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := false
		_, err := effect.Scoped(func(s *effect.Scope) effect.Effect[int] {
			return func(ctx context.Context) (int, error) {
				type key struct{}
				acquiring, cancel := context.WithCancel(context.WithValue(ctx, key{}, "kept"))
				defer cancel()
				fork := effect.ForkIn[effect.Void](s)(func(ctx context.Context) (effect.Void, error) {
					assert.Equal(t, "kept", ctx.Value(key{}))
					return slow(&ended)(ctx)
				})
				_, err := fork(acquiring)
				require.NoError(t, err)
				cancel()
				_, err = fork(acquiring)
				require.NoError(t, err, "it starts though the context has ended")
				time.Sleep(time.Hour)
				assert.False(t, ended)
				return 0, nil
			}
		})(t.Context())
		require.NoError(t, err)
		assert.True(t, ended)
	})
}

func TestForkInBelongsToTheScopeThatItIsGiven(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := false
		_, err := effect.Scoped(func(outer *effect.Scope) effect.Effect[int] {
			return func(ctx context.Context) (int, error) {
				for _, owner := range owners {
					_, err := owner(effect.As[*effect.Fiber[effect.Void]](0)(effect.ForkIn[effect.Void](outer)(slow(&ended))))(ctx)
					require.NoError(t, err)
				}
				time.Sleep(time.Hour)
				assert.False(t, ended)
				return 0, nil
			}
		})(t.Context())
		require.NoError(t, err)
		assert.True(t, ended)
	})
}

func TestAClosedScopeRefusesToFork(t *testing.T) {
	t.Parallel()
	start := func(context.Context) (int, error) { t.Error("started"); return 0, nil }
	var late context.Context
	s := leaked(t.Context(), func(ctx context.Context) (int, error) {
		late = context.WithoutCancel(ctx) //nolint:fatcontext // it is to outlive its scope
		return 0, nil
	})
	_, err := effect.ForkIn[int](s)(start)(t.Context())
	assert.Equal(t, effect.ErrScopeClosed, err)
	_, err = effect.Fork(start)(late)
	assert.Equal(t, effect.ErrScopeClosed, err)
}

func TestAFinalizerForksInAScopeOfItsOwn(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]error{"its own": nil, "the closing one": effect.ErrScopeClosed} {
		forking := joined(do(func() {}))
		if want == nil {
			inner := forking
			forking = effect.Scoped(func(*effect.Scope) effect.Effect[effect.Void] { return inner })
		}
		_, err := effect.Scoped(func(s *effect.Scope) effect.Effect[effect.Void] {
			return s.AddFinalizer(func(effect.Exit[any]) effect.Effect[effect.Void] { return forking })
		})(t.Context())
		assert.Equal(t, want, err, name)
	}
}

func TestAPanicOfAFiberThatNobodyWasToldOfFailsItsScope(t *testing.T) {
	t.Parallel()
	_, err := effect.Run(t.Context(), effect.Fork(panicking[int]("boom")))
	var d *effect.Defect
	require.ErrorAs(t, err, &d)
	assert.Equal(t, "boom", d.Value)
	assert.Contains(t, string(d.Stack), "panicking", "with the stack of the fiber")
}

func TestAPanicOfAFiberThatSomebodyWasToldOfStaysInTheFiber(t *testing.T) {
	t.Parallel()
	exit, err := effect.Run(t.Context(), func(ctx context.Context) (effect.Exit[int], error) {
		fiber, err := effect.Fork(panicking[int]("boom"))(ctx)
		require.NoError(t, err)
		return fiber.Await()(ctx)
	})
	require.NoError(t, err)
	assert.True(t, exit.IsDefect())
}
