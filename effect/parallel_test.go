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

func TestForEachRunsAsManyAtATimeAsItMayAndYieldsInTheOrderOfTheItems(t *testing.T) {
	t.Parallel()
	const items = 12
	for concurrency, together := range map[int]int{1: 1, 2: 2, 5: 5, 12: 12, 100: 12, 0: 12, -1: 12} {
		synctest.Test(t, func(t *testing.T) {
			var running atomic.Int32
			start := time.Now()
			words, err := effect.ForEach(concurrency, func(n int) effect.Effect[string] {
				return func(ctx context.Context) (string, error) {
					assert.LessOrEqual(t, running.Add(1), int32(together), "concurrency %d", concurrency)
					defer running.Add(-1)
					// Those that run together end in the reverse of their order.
					_, err := effect.Sleep(time.Second - time.Duration(n%together)*time.Millisecond)(ctx)
					return fmt.Sprint(n), err
				}
			})(upTo(items))(t.Context())
			require.NoError(t, err)
			assert.Equal(t, []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"}, words)
			rounds := (items + together - 1) / together
			assert.Equal(t, time.Duration(rounds), time.Since(start).Round(time.Second)/time.Second, "concurrency %d", concurrency)
		})
	}
	values, err := effect.ForEach(2, effect.Succeed[int])(nil)(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []int{}, values)
}

func TestTheFirstFailureCancelsTheOthersAndKeepsTheRestFromStarting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var started, cleaned atomic.Int32
		start := time.Now()
		values, err := effect.ForEach(4, func(n int) effect.Effect[int] {
			return func(ctx context.Context) (int, error) {
				started.Add(1)
				switch n {
				case 0:
					return 100, nil
				case 1:
					time.Sleep(time.Second)
					return 0, &notFound{"1"}
				case 2: // it ignores its cancellation
					time.Sleep(2 * time.Second)
					return 102, nil
				}
				<-ctx.Done()
				time.Sleep(time.Second)
				cleaned.Add(1)
				if n == 3 {
					return 0, errors.Join(ctx.Err(), errClose)
				}
				return 0, errBoom // later than the first failure
			}
		})(upTo(100))(t.Context())
		failures := effect.Failures(err)
		assert.Equal(t, &notFound{"1"}, failures[0])
		assert.ElementsMatch(t, []error{errClose, errBoom}, failures[1:], "what is more than their cancellation")
		assert.Equal(t, append([]int{100, 0, 102}, make([]int, 97)...), values, "what there is")
		assert.EqualValues(t, 5, started.Load())
		assert.EqualValues(t, 2, cleaned.Load())
		assert.Equal(t, 2*time.Second, time.Since(start))
	})
	_, err := effect.ForEach(2, func(int) effect.Effect[int] {
		t.Error("started, though the context has ended")
		return effect.Succeed(1)
	})(upTo(3))(canceled(errCause))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, errCause)
}
