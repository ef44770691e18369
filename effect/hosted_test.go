package effect_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
)

// counter is a host that counts down, and takes a second to stop.
type counter struct {
	effect.Hosted[int]
	stop  sync.Once
	stops int
}

func (c *counter) Stop() {
	c.stops++
	c.stop.Do(func() { time.AfterFunc(time.Second, c.Stopped) })
}

// hosting starts the host in a scope, and runs then with its fiber.
func hosting(c *counter, then effect.Kleisli[*effect.Fiber[int], int]) effect.Effect[int] {
	return effect.Scoped(func(s *effect.Scope) effect.Effect[int] {
		return func(ctx context.Context) (int, error) {
			if err := c.Start(s, c); err != nil {
				return 0, err
			}
			return then(c.Fiber())(ctx)
		}
	})
}

func TestAHostedFiberEndsAsItsHostSays(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for name, end := range map[string]struct {
		value int
		err   error
	}{"with a value": {42, nil}, "with an error": {0, boom}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := &counter{}
				got, err := hosting(c, func(f *effect.Fiber[int]) effect.Effect[int] {
					assert.True(t, option.IsNone(f.Poll()))
					time.AfterFunc(time.Minute, func() { c.End(end.value, end.err) })
					return f.Join()
				})(t.Context())
				assert.Equal(t, end.value, got)
				require.ErrorIs(t, err, end.err)
				assert.Zero(t, c.stops, "it had ended before its scope closed")
				exit, ok := option.Unwrap(c.Fiber().Poll())
				assert.True(t, ok)
				assert.Equal(t, end.err == nil, exit.IsSuccess())
			})
		})
	}
}

func TestAHostedFiberIsStoppedAndWaitedForByItsScope(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, began := &counter{}, time.Now()
		_, err := hosting(c, func(*effect.Fiber[int]) effect.Effect[int] { return effect.Succeed(1) })(t.Context())
		require.NoError(t, err)
		assert.Equal(t, time.Second, time.Since(began))
		assert.Equal(t, 1, c.stops)
	})
}

func TestAHostedFiberThatIsInterruptedIsStoppedAndSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &counter{}
		_, err := hosting(c, func(f *effect.Fiber[int]) effect.Effect[int] {
			return func(ctx context.Context) (int, error) {
				exit, err := f.Interrupt()(ctx)
				require.NoError(t, err)
				assert.True(t, exit.IsInterruption())
				_, err = f.Join()(ctx)
				require.ErrorIs(t, err, context.Canceled)
				return 1, nil
			}
		})(t.Context())
		require.NoError(t, err)
	})
}

func TestAnInterruptionOfAHostedFiberWaitsNoLongerThanItsCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &counter{}
		_, err := hosting(c, func(f *effect.Fiber[int]) effect.Effect[int] {
			return func(ctx context.Context) (int, error) {
				brief, cancel := context.WithTimeout(ctx, time.Millisecond)
				defer cancel()
				_, err := f.Interrupt()(brief)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				return 1, nil
			}
		})(t.Context())
		require.NoError(t, err)
	})
}

func TestAClosedScopeRefusesAHostedFiber(t *testing.T) {
	t.Parallel()
	var closed *effect.Scope
	_, err := effect.Scoped(func(s *effect.Scope) effect.Effect[int] {
		closed = s
		return effect.Succeed(1)
	})(t.Context())
	require.NoError(t, err)
	c := &counter{}
	require.ErrorIs(t, c.Start(closed, c), effect.ErrScopeClosed)
}
