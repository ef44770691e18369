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
	"github.com/effectlock/effectlock/internal/deferred"
)

// slowStop owns a deferred fiber, and takes a second to stop.
type slowStop struct {
	fiber effect.Fiber[effect.Never]
	stops int
}

func (o *slowStop) Stop() {
	o.stops++
	time.AfterFunc(time.Second, func() { effect.EndDeferred(&o.fiber, deferred.End{}) })
}

// owning starts the fiber in a scope, and runs then in it.
func owning(o *slowStop, then effect.Effect[effect.Void]) error {
	_, err := effect.Scoped(func(s *effect.Scope) effect.Effect[effect.Void] {
		return func(ctx context.Context) (none effect.Void, err error) {
			if err := effect.StartDeferred(&o.fiber, s, deferred.Owner{Stopper: o}); err != nil {
				return none, err
			}
			return then(ctx)
		}
	})(context.Background())
	return err
}

func TestADeferredFiberEndsOnceAndAsItsOwnerSays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &slowStop{}
		require.NoError(t, owning(o, func(ctx context.Context) (none effect.Void, err error) {
			assert.True(t, option.IsNone(o.fiber.Poll()))
			time.AfterFunc(time.Minute, func() {
				effect.EndDeferred(&o.fiber, deferred.End{Err: errBoom})
				effect.EndDeferred(&o.fiber, deferred.End{})
			})
			_, err = o.fiber.Join()(ctx)
			require.ErrorIs(t, err, errBoom)
			return none, nil
		}))
		assert.Zero(t, o.stops, "it had ended before its scope closed")
	})
}

func TestADeferredFiberIsStoppedAndWaitedForByItsScope(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, began := &slowStop{}, time.Now()
		require.NoError(t, owning(o, effect.Succeed(effect.Void{})))
		assert.Equal(t, time.Second, time.Since(began))
		assert.Equal(t, 1, o.stops)
	})
}

func TestADeferredFiberThatIsInterruptedIsStoppedAndSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &slowStop{}
		require.NoError(t, owning(o, func(ctx context.Context) (none effect.Void, _ error) {
			brief, cancel := context.WithTimeout(ctx, time.Millisecond)
			defer cancel()
			_, err := o.fiber.Interrupt()(brief)
			require.ErrorIs(t, err, context.DeadlineExceeded, "it waits no longer than its caller")
			exit, err := o.fiber.Interrupt()(ctx)
			require.NoError(t, err)
			assert.True(t, exit.IsInterruption())
			_, err = o.fiber.Join()(ctx)
			require.ErrorIs(t, err, context.Canceled)
			return none, nil
		}))
	})
}

func TestAClosedScopeRefusesADeferredFiber(t *testing.T) {
	t.Parallel()
	var closed *effect.Scope
	_, err := effect.Scoped(func(s *effect.Scope) effect.Effect[int] {
		closed = s
		return effect.Succeed(1)
	})(t.Context())
	require.NoError(t, err)
	o := &slowStop{}
	require.ErrorIs(t, effect.StartDeferred(&o.fiber, closed, deferred.Owner{Stopper: o}), effect.ErrScopeClosed)
	effect.EndDeferred(&o.fiber, deferred.End{}) // which its owner may do all the same
}
