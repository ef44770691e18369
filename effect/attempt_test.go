package effect_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/fp-go/v2/result"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/effectlock/effectlock/effect"
)

// What Attempt and Absolve do with a value, a failure, a defect and an interruption is
// said by the model of sequential programs.

func same(e eff) eff { return e }

// partitioned yields the sum of the values, and fails with the failures.
func partitioned(effs ...eff) eff {
	return func(ctx context.Context) (sum int, err error) {
		parted, err := effect.Partition(2, same)(effs)(ctx)
		for _, n := range parted.Values {
			sum += n
		}
		return sum, errors.Join(append(parted.Errors, err)...)
	}
}

// validated is partitioned with Validate.
func validated(effs ...eff) eff {
	return func(ctx context.Context) (sum int, err error) {
		values, err := effect.Validate(2, same)(effs)(ctx)
		for _, n := range values {
			sum += n
		}
		return sum, err
	}
}

func TestTheLawsOfAttempt(t *testing.T) {
	t.Parallel()
	seven := func(error) int { return 7 }
	check(t, map[string]law{
		"Absolve undoes Attempt": func(m eff, _, _ from) (_, _ eff) { return effect.Absolve(effect.Attempt(m)), m },
		"Absolve of Succeed": func(_ eff, _, _ from) (_, _ eff) {
			return effect.Absolve(effect.Succeed(result.Of(3))), effect.Succeed(3)
		},
		"Absolve of Fail": func(_ eff, _, _ from) (_, _ eff) {
			return effect.Absolve(effect.Succeed(result.Left[int](errBoom))), effect.Fail[int](errBoom)
		},
		"CatchAll is Attempt": func(m eff, _, _ from) (_, _ eff) {
			return effect.Map(result.GetOrElse(seven))(effect.Attempt(m)), effect.OrElse(effect.Succeed(7))(m)
		},
		"Validate of one":  func(m eff, _, _ from) (_, _ eff) { return validated(m), head(effect.All(0, m)) },
		"Partition of one": func(m eff, _, _ from) (_, _ eff) { return partitioned(m), head(effect.All(0, m)) },
	})
}

func TestAbsolveLosesNeitherTheResultNorTheErrorBesideIt(t *testing.T) {
	t.Parallel()
	closing := effect.Ensuring[result.Result[int]](effect.Fail[effect.Void](errClose))
	a, err := effect.Absolve(closing(effect.Attempt(effect.Succeed(42))))(t.Context())
	assert.Equal(t, errClose, err)
	assert.Equal(t, 42, a)

	_, err = effect.Absolve(closing(effect.Attempt(effect.Fail[int](errBoom))))(t.Context())
	assert.Equal(t, []error{errBoom, errClose}, effect.Failures(err))
}

func TestAllItemsRunAndTheirFailuresAndValuesComeInTheirOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		bad := rapid.SliceOfN(rapid.Bool(), 0, 8).Draw(rt, "bad")
		concurrency := rapid.IntRange(0, 9).Draw(rt, "concurrency")
		var wantErrors []error
		var wantParted []int
		wantValues := make([]int, len(bad))
		for i, isBad := range bad {
			wantValues[i] = i
			if isBad {
				wantErrors = append(wantErrors, errBoom)
			} else {
				wantParted = append(wantParted, i)
			}
		}
		most, together := len(bad), 0
		if concurrency > 0 {
			most = min(most, concurrency)
		}
		var parted effect.Parted[int]
		var values []int
		var partErr, err error
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			running := 0
			count := func(change int) {
				mu.Lock()
				defer mu.Unlock()
				running += change
				together = max(together, running)
			}
			f := func(i int) eff { // the last one ends first
				return func(ctx context.Context) (int, error) {
					count(1)
					defer count(-1)
					_, err := effect.Sleep(time.Hour - time.Duration(i)*time.Minute)(ctx)
					if bad[i] {
						err = errBoom
					}
					return i, err
				}
			}
			parted, partErr = effect.Partition(concurrency, f)(upTo(len(bad)))(t.Context())
			values, err = effect.Validate(concurrency, f)(upTo(len(bad)))(t.Context())
		})
		require.NoError(rt, partErr)
		require.Equal(rt, wantParted, parted.Values)
		require.Equal(rt, wantErrors, effect.Failures(errors.Join(parted.Errors...)))
		require.Equal(rt, wantErrors, effect.Failures(err))
		require.Equal(rt, wantValues, values, "with what was returned beside an error")
		require.Equal(rt, most, together)
	})
}

func TestAnErrorOfOneItemIsReturnedAsItIs(t *testing.T) {
	t.Parallel()
	_, err := effect.Validate(0, same)([]eff{effect.Succeed(1), effect.Fail[int](errBoom)})(t.Context())
	assert.Equal(t, errBoom, err)
}

func TestWhatExistsWhenTheContextEndsIsReturnedBesideItsError(t *testing.T) {
	t.Parallel()
	items := []eff{effect.Fail[int](errBoom), effect.Succeed(1), untilCancelled[int], effect.Succeed(3)}
	inBubble(t, func(ctx context.Context) {
		parted, err := effect.Partition(1, same)(items)(ctx)
		assert.ErrorIs(t, err, context.Canceled)
		assert.ErrorIs(t, err, errCause)
		assert.Equal(t, effect.Parted[int]{Errors: []error{errBoom}, Values: []int{1}}, parted)
	})
	inBubble(t, func(ctx context.Context) {
		exit := effect.RunExit(ctx, effect.Validate(1, same)(items))
		assert.True(t, exit.IsInterruption())
		assert.Equal(t, errBoom, effect.Failures(exit.Err())[0])
		values, err := effect.Validate(1, same)(items)(ctx)
		assert.ErrorIs(t, err, errCause)
		assert.Equal(t, []int{0, 0, 0, 0}, values, "nothing starts once the context has ended")
	})
	inBubble(t, func(ctx context.Context) {
		values, err := effect.Validate(1, same)(items)(ctx)
		assert.Equal(t, []int{0, 1, 0, 0}, values)
		assert.Len(t, effect.Failures(err), 2)
		assert.ErrorIs(t, err, errCause)
	})
}

func TestADefectOfOneItemCancelsTheOthersAndIsNotAFailure(t *testing.T) {
	t.Parallel()
	for name, each := range map[string]func(...eff) eff{"Partition": partitioned, "Validate": validated} {
		o := observe(t.Context(), each(untilCancelled[int], panickingThere[int]("boom")))
		require.IsType(t, (*effect.Defect)(nil), o.panicked, name)
		assert.Contains(t, fmt.Sprint(o.panicked), "whereItPanics", name)
		assert.True(t, observe(t.Context(), each(untilCancelled[int], goexit[int])).goexit, name)

		o = observe(t.Context(), each(untilCancelled[int], effect.Ensuring[int](panicking[effect.Void]("late"))(effect.Fail[int](errBoom))))
		assert.ErrorIs(t, o.err, errBoom, name)
		assert.ErrorAs(t, o.err, new(*effect.Defect), name)
	}
}
