package effect_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

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
	"a parent fiber":   joinedWithoutCancel,
	"an effect of All": func(work effect.Effect[int]) effect.Effect[int] { return head(effect.All(0, work)) },
	"one that races":   func(work effect.Effect[int]) effect.Effect[int] { return effect.RaceFirst(work) },
	"AcquireUseRelease": func(work effect.Effect[int]) effect.Effect[int] {
		return finalizing(work, do(func() {}))["AcquireUseRelease"]
	},
}

func head(many effect.Effect[[]int]) effect.Effect[int] {
	return effect.Map(func(ns []int) int { return ns[0] })(many)
}

func TestWhatIsForkedEndsWithItsOwnerWhichWaits(t *testing.T) {
	t.Parallel()
	for name, owner := range owners {
		for ending, work := range endings {
			inBubble(t, func(ctx context.Context) {
				var child, grandchild bool
				// The work lets both start before it ends.
				observe(ctx, owner(effect.ZipRight[*effect.Fiber[effect.Void]](stubborn(time.Millisecond, work))(
					effect.Fork(effect.ZipRight[*effect.Fiber[effect.Void]](slow(&child))(effect.Fork(slow(&grandchild)))))))
				assert.True(t, child, "%s that ends with %s", name, ending)
				assert.True(t, grandchild, "%s that ends with %s", name, ending)
			})
		}
	}
}

func TestForkEndsWithTheContextOfTheCall(t *testing.T) {
	t.Parallel()
	forking := func(ctx context.Context) (int, error) {
		bounded, cancel := deadline(time.Second)(ctx)
		defer cancel()
		start := time.Now()
		exit := awaited(t, bounded, untilCancelled[int])
		assert.Equal(t, time.Second, time.Since(start))
		assert.True(t, exit.IsInterruption())
		assert.ErrorIs(t, exit.Err(), errCause)
		return 0, nil
	}
	for name, owner := range owners {
		synctest.Test(t, func(t *testing.T) {
			_, err := owner(forking)(t.Context())
			require.NoError(t, err, name)
		})
	}
	synctest.Test(t, func(t *testing.T) { _, _ = forking(t.Context()) }) // without an owner

	_, err := effect.Fork(func(context.Context) (int, error) { t.Error("started"); return 0, nil })(canceled(errCause))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, errCause)
}

func TestForkInOutlivesTheCallAndItsOwnersButNotTheScopeThatItIsGiven(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ended, endedAtRelease bool
		_, err := effect.Scoped(func(outer *effect.Scope) effect.Effect[int] {
			return func(ctx context.Context) (int, error) {
				_, err := outer.AddFinalizer(func(effect.Exit[any]) effect.Effect[effect.Void] {
					return do(func() { endedAtRelease = ended })
				})(ctx)
				require.NoError(t, err)
				acquiring, cancel := context.WithCancel(context.WithValue(ctx, inherited{}, "kept"))
				cancel() // it starts nevertheless
				for _, owner := range owners {
					_, err := owner(func(context.Context) (int, error) {
						_, err := effect.ForkIn[effect.Void](outer)(func(ctx context.Context) (effect.Void, error) {
							assert.Equal(t, "kept", ctx.Value(inherited{}))
							return slow(&ended)(ctx)
						})(acquiring)
						return 0, err
					})(ctx)
					require.NoError(t, err)
				}
				time.Sleep(time.Hour)
				assert.False(t, ended)
				return 0, nil
			}
		})(t.Context())
		require.NoError(t, err)
		assert.True(t, endedAtRelease, "what was forked last ends first")
	})
}

func TestAClosedScopeRefusesToForkAndToAcquire(t *testing.T) {
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
	_, err = effect.AcquireRelease(start, func(int, effect.Exit[any]) effect.Effect[effect.Void] { return nil })(s)(t.Context())
	assert.Equal(t, effect.ErrScopeClosed, err)
}

func TestAFinalizerForksInAScopeOfItsOwn(t *testing.T) {
	t.Parallel()
	forking := joined(do(func() {}))
	own := effect.Scoped(func(*effect.Scope) effect.Effect[effect.Void] { return forking })
	for _, test := range []struct {
		finalizer effect.Effect[effect.Void]
		want      error
	}{{own, nil}, {forking, effect.ErrScopeClosed}} {
		_, err := finalizing(effect.Succeed(1), test.finalizer)["AddFinalizer"](t.Context())
		assert.Equal(t, test.want, err)
	}
}

func TestAPanicOfAFiberFailsItsScopeUnlessAMethodHasReportedIt(t *testing.T) {
	t.Parallel()
	fork := effect.Fork(panicking[int]("boom"))
	_, err := effect.Run(t.Context(), fork)
	var d *effect.Defect
	require.ErrorAs(t, err, &d)
	assert.Equal(t, "boom", d.Value)
	assert.Contains(t, string(d.Stack), "panicking", "with the stack of the fiber")

	exit, err := effect.Run(t.Context(), effect.FlatMap((*effect.Fiber[int]).Await)(fork))
	require.NoError(t, err)
	assert.True(t, exit.IsDefect())
}
