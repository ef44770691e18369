package effect_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
)

func upTo(n int) []int {
	items := make([]int, n)
	for i := range items {
		items[i] = i
	}
	return items
}

func TestForEachRunsAsManyAtATimeAsItMayAndNotMore(t *testing.T) {
	t.Parallel()
	const items = 12
	for concurrency, together := range map[int]int{1: 1, 2: 2, 5: 5, 12: 12, 100: 12, 0: 12, -1: 12} {
		synctest.Test(t, func(t *testing.T) {
			var running, most atomic.Int32
			start := time.Now()
			_, err := effect.ForEach(concurrency, func(int) effect.Effect[effect.Void] {
				return func(ctx context.Context) (effect.Void, error) {
					now := running.Add(1)
					defer running.Add(-1)
					for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
					}
					return effect.Sleep(time.Second)(ctx)
				}
			})(upTo(items))(t.Context())
			require.NoError(t, err)
			assert.EqualValues(t, together, most.Load(), "concurrency %d", concurrency)
			rounds := (items + together - 1) / together
			assert.Equal(t, time.Duration(rounds)*time.Second, time.Since(start), "concurrency %d", concurrency)
		})
	}
}

func TestForEachYieldsTheValuesInTheOrderOfTheItems(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, concurrency := range []int{0, 1, 3} {
			words, err := effect.ForEach(concurrency, func(n int) effect.Effect[string] {
				return effect.As[effect.Void](fmt.Sprint(n))(effect.Sleep(time.Duration(10-n) * time.Second))
			})(upTo(5))(t.Context())
			require.NoError(t, err)
			assert.Equal(t, []string{"0", "1", "2", "3", "4"}, words)
		}
		numbers, err := effect.All(2, after(time.Second, effect.Succeed(1)), effect.Succeed(2), effect.Succeed(3))(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []int{1, 2, 3}, numbers)
	})
}

func TestForEachOfNothingYieldsAnEmptySlice(t *testing.T) {
	t.Parallel()
	for _, items := range [][]int{nil, {}} {
		values, err := effect.ForEach(2, effect.Succeed[int])(items)(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []int{}, values)
	}
}

func TestTheFirstFailureCancelsTheOthersAndKeepsTheRestFromStarting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var started, cleaned atomic.Int32
		start := time.Now()
		values, err := effect.ForEach(3, func(n int) effect.Effect[int] {
			return func(ctx context.Context) (int, error) {
				started.Add(1)
				switch n {
				case 0:
					return 100, nil
				case 1:
					time.Sleep(time.Second)
					return 0, &notFound{"1"}
				}
				<-ctx.Done()
				time.Sleep(time.Second)
				cleaned.Add(1)
				if n == 2 {
					return 0, errors.Join(ctx.Err(), errClose)
				}
				return 0, errBoom // later than the first failure
			}
		})(upTo(100))(t.Context())
		failures := effect.Failures(err)
		assert.Equal(t, &notFound{"1"}, failures[0])
		assert.ElementsMatch(t, []error{errClose, errBoom}, failures[1:], "what is more than their cancellation")
		assert.Equal(t, append([]int{100}, make([]int, 99)...), values, "what there is")
		assert.EqualValues(t, 4, started.Load())
		assert.EqualValues(t, 2, cleaned.Load())
		assert.Equal(t, 2*time.Second, time.Since(start))
	})
}

func TestItemsThatIgnoreTheirCancellationKeepTheRestFromStartingToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var started atomic.Int32
		_, err := effect.ForEach(2, func(n int) effect.Effect[int] {
			started.Add(1)
			if n == 0 {
				return after(time.Second, effect.Fail[int](errBoom))
			}
			return stubborn(3*time.Second, effect.Succeed(n))
		})(upTo(100))(t.Context())
		assert.Equal(t, errBoom, err)
		assert.EqualValues(t, 2, started.Load())
	})
}

func TestForEachStartsNothingOnceItsContextHasEnded(t *testing.T) {
	t.Parallel()
	_, err := effect.ForEach(2, func(int) effect.Effect[int] {
		t.Error("started")
		return effect.Succeed(1)
	})(upTo(3))(canceled(errCause))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, errCause)
}

func TestAPanicOfOneItemCancelsTheOthersAndIsRaised(t *testing.T) {
	t.Parallel()
	o := observe(t.Context(), effect.ForEach(0, func(n int) effect.Effect[int] {
		if n == 2 {
			return panickingThere[int]("boom")
		}
		return untilCancelled[int]
	})(upTo(4)))
	d, ok := o.panicked.(*effect.Defect)
	require.True(t, ok)
	assert.Equal(t, "boom", d.Value)
	assert.Contains(t, string(d.Stack), "whereItPanics")
}
