package effect_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
)

func TestAnInterruptionIsTheContextsErrorAndItsCauseAndKeepsWhatWentWrongBefore(t *testing.T) {
	t.Parallel()
	expired, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	expiredForCause, cancel := context.WithDeadlineCause(t.Context(), time.Unix(0, 0), errCause)
	defer cancel()
	contexts := map[string]context.Context{
		"cancelled":             canceled(nil),
		"cancelled for a cause": canceled(errCause),
		"expired":               expired,
		"expired for a cause":   expiredForCause,
	}
	for name, ctx := range contexts {
		for _, last := range []error{nil, errBoom, &notFound{"x"}, context.Canceled, context.DeadlineExceeded, errors.Join(errBoom, errCause)} {
			err := effect.Interrupted(ctx, last)
			assert.ErrorIs(t, err, ctx.Err(), name)
			assert.ErrorIs(t, err, context.Cause(ctx), name)
			assert.Contains(t, err.Error(), ctx.Err().Error(), name)
			assert.Contains(t, err.Error(), context.Cause(ctx).Error(), name)
			if last == nil {
				continue
			}
			assert.ErrorIs(t, err, last, name)
			assert.Contains(t, err.Error(), last.Error(), name)
			if _, typed := last.(*notFound); typed {
				var found *notFound
				require.ErrorAs(t, err, &found, name)
				assert.Equal(t, "x", found.name)
			}
		}
	}
}

func TestAnInterruptionThatSaysNothingMoreIsTheContextsOwnError(t *testing.T) {
	t.Parallel()
	assert.Equal(t, context.Canceled, effect.Interrupted(canceled(nil), nil))
	saysItAll := effect.Interrupted(canceled(errCause), errBoom)
	assert.Equal(t, saysItAll, effect.Interrupted(canceled(errCause), saysItAll), "no second wrapper around the first")
}

func TestEveryOperatorReportsTheContextsErrorAndItsCause(t *testing.T) {
	t.Parallel()
	for name, eff := range interruptible() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			go cancel(errCause)
			o := observe(ctx, eff)
			require.Nil(t, o.panicked)
			assert.ErrorIs(t, o.err, context.Canceled)
			assert.ErrorIs(t, o.err, errCause)
		})
	}
}
