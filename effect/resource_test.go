package effect_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
)

// That resources are released once, in reverse order, whatever happens, is said by the
// model of sequential programs.

// free is a resource that needs no release.
func free(eff effect.Effect[int]) effect.Resource[int] {
	return func(*effect.Scope) effect.Effect[int] { return eff }
}

func plus(a, b int) int { return a + b }

// combinations make one program of others; each ends when its operand is interrupted.
var combinations = map[string]effect.Operator[int, int]{
	"Use": func(a eff) eff { return effect.Use(func(int) eff { return a })(free(effect.Succeed(1))) },
	"Then": func(a eff) eff {
		return effect.Scoped(effect.Then(func(int) effect.Resource[int] { return free(a) })(free(effect.Succeed(1))))
	},
	"Both":      func(a eff) eff { return effect.Scoped(effect.Both(free(effect.Succeed(1)), plus)(free(a))) },
	"Attempt":   func(a eff) eff { return effect.Absolve(effect.Attempt(a)) },
	"Partition": func(a eff) eff { return partitioned(a, a) },
	"Validate":  func(a eff) eff { return validated(a, a) },
	"ZipPar":    func(a eff) eff { return effect.ZipPar(effect.Succeed(1), plus)(a) },
	"ApS": func(a eff) eff {
		return effect.ApS(func(a int) func(int) int { return func(b int) int { return a + b } }, a)(effect.Succeed(1))
	},
}

func TestTheLawsOfResources(t *testing.T) {
	t.Parallel()
	next := func(f from) func(int) effect.Resource[int] {
		return func(a int) effect.Resource[int] { return free(f(a)) }
	}
	succeed := next(effect.Succeed[int])
	check(t, map[string]law{
		"Use is FlatMap": func(m eff, f, _ from) (_, _ eff) { return effect.Use(f)(free(m)), effect.FlatMap(f)(m) },
		"Use after Then": func(m eff, f, g from) (_, _ eff) {
			return effect.Use(g)(effect.Then(next(f))(free(m))), effect.Use(func(a int) eff { return effect.Use(g)(free(f(a))) })(free(m))
		},
		"left identity":  func(_ eff, f, _ from) (_, _ eff) { return effect.Scoped(effect.Then(next(f))(succeed(3))), f(3) },
		"right identity": func(m eff, _, _ from) (_, _ eff) { return effect.Scoped(effect.Then(succeed)(free(m))), m },
		"Then is associative": func(m eff, f, g from) (_, _ eff) {
			return effect.Scoped(effect.Then(next(g))(effect.Then(next(f))(free(m)))), effect.Scoped(effect.Then(func(a int) effect.Resource[int] { return effect.Then(next(g))(free(f(a))) })(free(m)))
		},
		"Both is Then": func(m eff, f, _ from) (_, _ eff) {
			return effect.Scoped(effect.Both(free(f(3)), plus)(free(m))), effect.FlatMap(func(a int) eff { return effect.Map(func(b int) int { return a + b })(f(3)) })(m)
		},
	})
}

func TestNothingIsUsedAndNoSecondIsAcquiredOnceTheContextHasEnded(t *testing.T) {
	t.Parallel()
	started := func(context.Context) (int, error) { t.Error("started"); return 0, nil }
	first := free(beside(0, 1, nil))
	for _, eff := range []eff{
		effect.Use(func(int) eff { return started })(first),
		effect.Scoped(effect.Then(func(int) effect.Resource[int] { return free(started) })(first)),
		effect.Scoped(effect.Both(free(started), plus)(first)),
	} {
		_, err := eff(canceled(errCause))
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, errCause)
	}
}

// TestIfTheSecondCannotBeAcquiredTheFirstIsReleasedAtOnce, while the scope of both is open.
func TestIfTheSecondCannotBeAcquiredTheFirstIsReleasedAtOnce(t *testing.T) {
	t.Parallel()
	ways := map[string]func(first effect.Resource[int], second effect.Effect[int]) effect.Resource[int]{
		"Then": func(first effect.Resource[int], second effect.Effect[int]) effect.Resource[int] {
			return effect.Then(func(int) effect.Resource[int] { return free(second) })(first)
		},
		"Both": func(first effect.Resource[int], second effect.Effect[int]) effect.Resource[int] {
			return effect.Both(free(second), plus)(first)
		},
	}
	for name, way := range ways {
		for ending, second := range endings {
			inBubble(t, func(ctx context.Context) {
				var log []string
				first := effect.AcquireRelease(effect.Succeed(1), func(_ int, e effect.Exit[any]) effect.Effect[effect.Void] {
					return do(func() { log = append(log, "released after "+kind(e)) })
				})
				observe(ctx, effect.Scoped(func(s *effect.Scope) effect.Effect[int] {
					_, _ = s.AddFinalizer(func(effect.Exit[any]) effect.Effect[effect.Void] {
						return do(func() { log = append(log, "the scope closes") })
					})(ctx)
					return func(ctx context.Context) (int, error) {
						o := observe(ctx, way(first, second)(s))
						log = append(log, fmt.Sprint("acquired: ", !o.goexit && o.panicked == nil && o.err == nil))
						return 0, nil
					}
				}))
				want := []string{"released after defect", "acquired: false", "the scope closes"}
				switch ending {
				case "a value":
					want = []string{"acquired: true", "released after success", "the scope closes"}
				case "an error":
					want[0] = "released after failure"
				case "cancellation":
					want[0] = "released after interruption"
				}
				assert.Equal(t, want, log, "%s, %s", name, ending)
			})
		}
	}
}

func TestAFirstThatUsesItsScopeBeforeItPanicsIsCleanedUpAtOnce(t *testing.T) {
	t.Parallel()
	ran := 0
	first := func(s *effect.Scope) effect.Effect[int] {
		_, _ = s.AddFinalizer(func(effect.Exit[any]) effect.Effect[effect.Void] { return do(func() { ran++ }) })(t.Context())
		panic("no effect was made")
	}
	_, _ = effect.Scoped(func(s *effect.Scope) effect.Effect[int] {
		return func(ctx context.Context) (int, error) {
			assert.Equal(t, "no effect was made", observe(ctx, effect.Both(free(effect.Succeed(1)), plus)(first)(s)).panicked)
			assert.Equal(t, 1, ran)
			return 0, nil
		}
	})(t.Context())
	assert.Equal(t, 1, ran)
}

func TestAFailedReleaseIsJoinedToTheFailureToAcquireTheRest(t *testing.T) {
	t.Parallel()
	first := effect.AcquireRelease(effect.Succeed(1), func(int, effect.Exit[any]) effect.Effect[effect.Void] { return effect.Fail[effect.Void](errClose) })
	a, err := effect.Scoped(effect.Then(func(int) effect.Resource[int] { return free(beside(0, 42, errBoom)) })(first))(t.Context())
	assert.Equal(t, []error{errBoom, errClose}, effect.Failures(err))
	assert.Equal(t, 42, a, "what the acquire returned beside its error")

	a, err = effect.Use(func(int) effect.Effect[int] { return beside(0, 42, nil) })(effect.Both(first, plus)(first))(t.Context())
	assert.Equal(t, []error{errClose}, effect.Failures(err))
	assert.Equal(t, 42, a)
}

func TestAScopeThatClosesBeforeOrWhileTwoAreAcquiredHoldsNeither(t *testing.T) {
	t.Parallel()
	for _, failed := range []error{nil, errClose} {
		synctest.Test(t, func(t *testing.T) {
			var log []string
			opened := func(name string, after time.Duration) effect.Resource[int] {
				release := func(_ int, e effect.Exit[any]) effect.Effect[effect.Void] {
					log = append(log, name)
					assert.Equal(t, errBoom, e.Err(), "how the scope closed")
					return effect.Fail[effect.Void](failed)
				}
				return effect.AcquireRelease(stubborn(after, effect.Succeed(1)), release)
			}
			both := effect.Both(opened("second", time.Second), plus)(opened("first", 0))
			result := make(chan error, 1)
			var scope *effect.Scope
			_, err := effect.Scoped(func(s *effect.Scope) effect.Effect[int] {
				scope = s
				return func(context.Context) (int, error) {
					go func() {
						_, err := both(s)(context.Background())
						result <- err
					}()
					synctest.Wait()
					return 0, errBoom
				}
			})(t.Context())
			require.Equal(t, errBoom, err)
			err = <-result
			require.ErrorIs(t, err, effect.ErrScopeClosed)
			assert.Equal(t, []string{"second", "first"}, log)
			if failed != nil {
				require.ErrorIs(t, err, failed)
			}

			_, err = both(scope)(t.Context())
			assert.Equal(t, effect.ErrScopeClosed, err)
			assert.Len(t, log, 2, "nothing was acquired")
		})
	}
}
