package effect_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
)

// leaked runs work in a scope, and returns the scope after it has closed.
func leaked(ctx context.Context, work effect.Effect[int]) *effect.Scope {
	var scope *effect.Scope
	_, _ = effect.Scoped(func(s *effect.Scope) effect.Effect[int] {
		scope = s
		return work
	})(ctx)
	return scope
}

func TestAClosedScopeRefusesAnAcquireBeforeItStarts(t *testing.T) {
	t.Parallel()
	s := leaked(t.Context(), effect.Succeed(1))
	acquire := func(context.Context) (int, error) { t.Error("acquired"); return 0, nil }
	_, err := effect.AcquireRelease(acquire, func(int, effect.Exit[any]) effect.Effect[effect.Void] { return nil })(s)(t.Context())
	assert.Equal(t, effect.ErrScopeClosed, err)
}

func TestAScopeThatClosesDuringAnAcquireReleasesAtOnce(t *testing.T) {
	t.Parallel()
	for name, failed := range map[string]error{"well": nil, "badly": errClose} {
		acquiring, closed := make(chan struct{}), make(chan struct{})
		acquire := func(context.Context) (string, error) {
			close(acquiring)
			<-closed
			return "r", nil
		}
		released := 0
		release := func(r string, e effect.Exit[any]) effect.Effect[effect.Void] {
			released++
			assert.Equal(t, "r", r)
			assert.Equal(t, errBoom, e.Err(), "how the scope closed")
			return effect.Fail[effect.Void](failed)
		}
		result := make(chan error, 1)
		_, err := effect.Scoped(func(s *effect.Scope) effect.Effect[int] {
			return func(context.Context) (int, error) {
				go func() {
					_, err := effect.AcquireRelease(acquire, release)(s)(context.Background())
					result <- err
				}()
				<-acquiring
				return 0, errBoom
			}
		})(t.Context())
		require.Equal(t, errBoom, err)
		close(closed)
		err = <-result
		require.ErrorIs(t, err, effect.ErrScopeClosed, name)
		assert.Equal(t, 1, released, name)
		if failed != nil {
			require.ErrorIs(t, err, failed, name)
		}
	}
}

func TestAFinalizerThatComesTooLateRunsAtOnce(t *testing.T) {
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
}

func TestAFinalizerThatIsAddedByAFinalizerRunsAtOnce(t *testing.T) {
	t.Parallel()
	var order []string
	_, err := effect.Scoped(func(s *effect.Scope) effect.Effect[effect.Void] {
		note := func(name string, then effect.Effect[effect.Void]) effect.Effect[effect.Void] {
			return s.AddFinalizer(func(effect.Exit[any]) effect.Effect[effect.Void] {
				order = append(order, name)
				return then
			})
		}
		nothing := do(func() {})
		return effect.ZipRight[effect.Void](note("last", note("added", nothing)))(note("first", nothing))
	})(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"last", "added", "first"}, order)
}

func TestFinalizersThatAreAddedWhileTheScopeClosesRunOnceEach(t *testing.T) {
	t.Parallel()
	const goroutines, each = 8, 50
	var ran [goroutines * each]atomic.Int32
	var adding sync.WaitGroup
	_, err := effect.Scoped(func(s *effect.Scope) effect.Effect[effect.Void] {
		for g := range goroutines {
			adding.Go(func() {
				for i := range each {
					_, err := s.AddFinalizer(func(effect.Exit[any]) effect.Effect[effect.Void] {
						return do(func() { ran[g*each+i].Add(1) })
					})(context.Background())
					assert.NoError(t, err)
				}
			})
		}
		return do(func() {})
	})(t.Context())
	require.NoError(t, err)
	adding.Wait()
	for i := range ran {
		assert.EqualValues(t, 1, ran[i].Load())
	}
}
