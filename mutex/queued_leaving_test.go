package mutex_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// The store may have kept its place, for when the waiter can be woken again.
func TestAWaiterThatWasQueuedAndPollsTellsTheStoreWhenItLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		var asked, released atomic.Int32
		s.enqueue = func(context.Context, backing.Waiter) (backing.Outcome, error) {
			if asked.Add(1) == 1 {
				return backing.Queued{AskAgain: time.Millisecond}, nil
			}
			return backing.MustPoll{}, nil
		}
		s.releaseClaim = func(context.Context, backing.Claim) (backing.Released, error) {
			released.Add(1)
			return backing.NotHeld, nil
		}
		m, err := mutex.New(s, "k", mutex.Config{})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = mutex.WithLock(m, effect.Succeed(1))(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Greater(t, asked.Load(), int32(1))
		assert.Equal(t, int32(1), released.Load())
	})
}
