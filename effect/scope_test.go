package effect_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
)

// The laws of generated programs say that finalizers run once, in reverse order, under a
// context of their own and whatever the others do.

// leaked runs work in a scope, and returns the scope after it has closed.
func leaked(ctx context.Context, work effect.Effect[int]) *effect.Scope {
	var scope *effect.Scope
	_, _ = effect.Scoped(func(s *effect.Scope) effect.Effect[int] {
		scope = s
		return work
	})(ctx)
	return scope
}

// TestNothingComesBetweenAcquireAndItsRegistration cancels before, at the last moment of,
// and concurrently with an acquire that ends with a value.
func TestNothingComesBetweenAcquireAndItsRegistration(t *testing.T) {
	t.Parallel()
	for name, when := range map[string]func(cancel context.CancelFunc) func(){
		"before":             func(cancel context.CancelFunc) func() { cancel(); return func() {} },
		"at the last moment": func(cancel context.CancelFunc) func() { return cancel },
		"concurrently":       func(cancel context.CancelFunc) func() { return func() { go cancel() } },
	} {
		for range 200 {
			ctx, cancel := context.WithCancel(t.Context())
			acquired, released := 0, 0
			inside := when(cancel)
			acquire := func(context.Context) (int, error) { acquired++; inside(); return 1, nil }
			release := func(int, effect.Exit[any]) effect.Effect[effect.Void] { return do(func() { released++ }) }
			_, _ = effect.AcquireUseRelease(acquire, effect.Succeed[int], release)(ctx)
			require.Equal(t, 1, acquired, name)
			require.Equal(t, 1, released, name)
			cancel()
		}
	}
}

func TestAFinalizerIsRegisteredThoughTheContextHasEnded(t *testing.T) {
	t.Parallel()
	ran := 0
	effs := finalizing(effect.Succeed(1), do(func() { ran++ }))
	for _, eff := range effs {
		_, _ = eff(canceled(nil))
	}
	assert.Equal(t, len(effs), ran)
}

func TestAnAcquireThatDidNotYieldIsNeitherUsedNorReleased(t *testing.T) {
	t.Parallel()
	for name, acquire := range endings {
		if name == "a value" {
			continue
		}
		inBubble(t, func(ctx context.Context) {
			observe(ctx, effect.AcquireUseRelease(acquire,
				func(int) effect.Effect[int] { t.Error("used", name); return effect.Succeed(0) },
				func(int, effect.Exit[any]) effect.Effect[effect.Void] {
					return do(func() { t.Error("released", name) })
				}))
		})
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

// TestFinalizersThatAreAddedConcurrentlyRunOnceEach adds some before the scope closes and
// some while it does. The first ones of each goroutine run in its reverse order.
func TestFinalizersThatAreAddedConcurrentlyRunOnceEach(t *testing.T) {
	t.Parallel()
	const goroutines, each = 8, 50
	var before [goroutines][]int
	var ran atomic.Int32
	var adding, closing sync.WaitGroup
	_, err := effect.Scoped(func(s *effect.Scope) effect.Effect[effect.Void] {
		add := func(f func()) {
			_, err := s.AddFinalizer(func(effect.Exit[any]) effect.Effect[effect.Void] { return do(f) })(context.Background())
			assert.NoError(t, err)
		}
		return do(func() {
			for g := range goroutines {
				adding.Go(func() {
					for i := range each {
						add(func() { before[g] = append(before[g], i) })
					}
				})
			}
			adding.Wait()
			for range goroutines {
				closing.Go(func() {
					for range each {
						add(func() { ran.Add(1) })
					}
				})
			}
		})
	})(t.Context())
	require.NoError(t, err)
	closing.Wait()
	assert.EqualValues(t, goroutines*each, ran.Load())
	for _, order := range before {
		assert.Len(t, order, each)
		slices.Reverse(order)
		assert.IsIncreasing(t, order)
	}
}

func TestAScopeThatClosesDuringAnAcquireReleasesAtOnce(t *testing.T) {
	t.Parallel()
	for _, failed := range []error{nil, errClose} {
		synctest.Test(t, func(t *testing.T) {
			closed, result := make(chan struct{}), make(chan error, 1)
			acquire := func(context.Context) (string, error) { <-closed; return "r", nil }
			released := 0
			release := func(r string, e effect.Exit[any]) effect.Effect[effect.Void] {
				released++
				assert.Equal(t, "r", r)
				assert.Equal(t, errBoom, e.Err(), "how the scope closed")
				return effect.Fail[effect.Void](failed)
			}
			_, err := effect.Scoped(func(s *effect.Scope) effect.Effect[int] {
				return func(context.Context) (int, error) {
					go func() {
						_, err := effect.AcquireRelease(acquire, release)(s)(context.Background())
						result <- err
					}()
					synctest.Wait()
					return 0, errBoom
				}
			})(t.Context())
			require.Equal(t, errBoom, err)
			close(closed)
			err = <-result
			require.ErrorIs(t, err, effect.ErrScopeClosed)
			assert.Equal(t, 1, released)
			if failed != nil {
				require.ErrorIs(t, err, failed)
			}
		})
	}
}

func TestAFinalizerThatIsAddedTooLateRunsAtOnce(t *testing.T) {
	t.Parallel()
	s := leaked(canceled(errCause), untilCancelled[int])
	ran := 0
	add := func(f effect.Effect[effect.Void]) error {
		_, err := s.AddFinalizer(func(e effect.Exit[any]) effect.Effect[effect.Void] {
			ran++
			assert.Equal(t, "interruption", kind(e), "how the scope closed")
			return func(ctx context.Context) (effect.Void, error) {
				assert.NoError(t, ctx.Err())
				return f(ctx)
			}
		})(t.Context())
		return err
	}
	require.NoError(t, add(do(func() {})))
	assert.Equal(t, errClose, add(effect.Fail[effect.Void](errClose)))
	d, ok := errors.AsType[*effect.Defect](add(panicking[effect.Void]("late")))
	require.True(t, ok)
	assert.Equal(t, "late", d.Value)
	assert.Equal(t, 3, ran)

	var order []string
	_, err := effect.Scoped(func(s *effect.Scope) effect.Effect[effect.Void] {
		note := func(name string, then effect.Effect[effect.Void]) effect.Effect[effect.Void] {
			return s.AddFinalizer(func(effect.Exit[any]) effect.Effect[effect.Void] {
				order = append(order, name)
				return then
			})
		}
		return effect.ZipRight[effect.Void](note("last", note("by a finalizer", do(func() {}))))(note("first", do(func() {})))
	})(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"last", "by a finalizer", "first"}, order)
}
