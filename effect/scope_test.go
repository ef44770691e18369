package effect_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
)

func TestInnerScopesCloseBeforeOuterOnesAndWhatCameLastFirst(t *testing.T) {
	t.Parallel()
	var order []string
	note := func(s *effect.Scope, name string) effect.Effect[effect.Void] {
		return s.AddFinalizer(func(effect.Exit[any]) effect.Effect[effect.Void] {
			return do(func() { order = append(order, name) })
		})
	}
	_, err := effect.Scoped(func(outer *effect.Scope) effect.Effect[effect.Void] {
		inner := effect.Scoped(func(inner *effect.Scope) effect.Effect[effect.Void] {
			// What is registered in the outer scope stays until that closes.
			return effect.ZipRight[effect.Void](effect.ZipRight[effect.Void](note(inner, "c"))(note(outer, "y")))(note(inner, "a"))
		})
		return effect.ZipRight[effect.Void](effect.ZipRight[effect.Void](note(outer, "z"))(inner))(note(outer, "x"))
	})(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "c a z y x", strings.Join(order, " "))
}

// TestNothingSlipsBetweenAcquireAndItsRegistration cancels before, within, at
// the last moment of, and concurrently with an acquire that ends with a value.
func TestNothingSlipsBetweenAcquireAndItsRegistration(t *testing.T) {
	t.Parallel()
	for name, when := range map[string]func(cancel context.CancelFunc, acquiring effect.Effect[int]) effect.Effect[int]{
		"before": func(cancel context.CancelFunc, acquiring effect.Effect[int]) effect.Effect[int] {
			cancel()
			return acquiring
		},
		"at the last moment": func(cancel context.CancelFunc, acquiring effect.Effect[int]) effect.Effect[int] {
			return effect.Map(func(n int) int { cancel(); return n })(acquiring)
		},
		"concurrently": func(cancel context.CancelFunc, acquiring effect.Effect[int]) effect.Effect[int] {
			return func(ctx context.Context) (int, error) { go cancel(); return acquiring(ctx) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 200 {
				ctx, cancel := context.WithCancel(t.Context())
				acquired, released := 0, 0
				acquiring := func(context.Context) (int, error) { acquired++; return 1, nil }
				release := func(int, effect.Exit[any]) effect.Effect[effect.Void] { return do(func() { released++ }) }
				_, _ = effect.AcquireUseRelease(when(cancel, acquiring), effect.Succeed[int], release)(ctx)
				assert.Equal(t, 1, acquired)
				assert.Equal(t, 1, released)
				cancel()
			}
		})
	}
}

func TestAFinalizerIsRegisteredThoughTheContextHasEnded(t *testing.T) {
	t.Parallel()
	ran := false
	_, err := effect.Scoped(func(s *effect.Scope) effect.Effect[effect.Void] {
		return s.AddFinalizer(func(effect.Exit[any]) effect.Effect[effect.Void] { return do(func() { ran = true }) })
	})(canceled(nil))
	require.NoError(t, err)
	assert.True(t, ran)
}

func TestAnAcquireThatDidNotYieldIsNotReleasedNorUsed(t *testing.T) {
	t.Parallel()
	for name, acquire := range endings {
		if name == "a value" {
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			observe(ctx, effect.AcquireUseRelease(acquire,
				func(int) effect.Effect[int] { t.Error("used", name); return effect.Succeed(0) },
				func(int, effect.Exit[any]) effect.Effect[effect.Void] {
					return do(func() { t.Error("released", name) })
				}))
		})
	}
}

func TestAcquireCanBeInterruptedWhileItWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := effect.AcquireUseRelease(untilCancelled[int], effect.Succeed[int],
			func(int, effect.Exit[any]) effect.Effect[effect.Void] { return do(func() {}) })(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(start))
	})
}

func TestTheFinalizersOfOneGoroutineRunInItsReverseOrderAmongThoseOfOthers(t *testing.T) {
	t.Parallel()
	var closing [4][]int
	_, err := effect.Scoped(func(s *effect.Scope) effect.Effect[effect.Void] {
		return do(func() {
			var adding sync.WaitGroup
			for g := range closing {
				adding.Go(func() {
					for i := range 50 {
						_, _ = s.AddFinalizer(func(effect.Exit[any]) effect.Effect[effect.Void] {
							return do(func() { closing[g] = append(closing[g], i) })
						})(context.Background())
					}
				})
			}
			adding.Wait()
		})
	})(t.Context())
	require.NoError(t, err)
	for _, order := range closing {
		assert.Len(t, order, 50)
		slices.Reverse(order)
		assert.IsIncreasing(t, order)
	}
}

func TestABodyThatUsesItsScopeBeforeItPanicsIsCleanedUpAfter(t *testing.T) {
	t.Parallel()
	ran := 0
	o := observe(t.Context(), effect.Scoped(func(s *effect.Scope) effect.Effect[int] {
		_, _ = s.AddFinalizer(func(effect.Exit[any]) effect.Effect[effect.Void] { return do(func() { ran++ }) })(t.Context())
		panic("no effect was made")
	}))
	assert.Equal(t, "no effect was made", o.panicked)
	assert.Equal(t, 1, ran)
}
