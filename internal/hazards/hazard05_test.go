package hazards_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// operations are all that asks the store for something.
func operations(work effect.Effect[effect.Void]) map[string]func(ctx context.Context, m *mutex.Mutex) error {
	all := map[string]func(ctx context.Context, m *mutex.Mutex) error{
		"IsLocked": func(ctx context.Context, m *mutex.Mutex) error { _, err := m.IsLocked(ctx); return err },
		"Holder":   func(ctx context.Context, m *mutex.Mutex) error { _, err := m.Holder(ctx); return err },
	}
	for way, acquire := range acquiring {
		all[way] = func(ctx context.Context, m *mutex.Mutex) error { _, err := acquire(m, work)(ctx); return err }
	}
	return all
}

var errWhy = errors.New("the pod is shutting down")

// ended are contexts that have.
func ended(t *testing.T) map[string]context.Context {
	t.Helper()
	cancelled, cancel := context.WithCancelCause(t.Context())
	cancel(errWhy)
	late, cancelLate := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	t.Cleanup(cancelLate)
	return map[string]context.Context{"cancelled": cancelled, "timed out": late}
}

// Neither a byte nor a connection: not for a lock that is free, nor for one that
// another has, nor for one that this process has.
func TestHazard05_NothingIsSentForACallerWhoLeftBefore(t *testing.T) {
	t.Parallel()
	s := newTrainedStore(t)
	theirs := contend(t, s.process(t), "theirs", mutex.Config{TTL: long})
	theirs.enters(t, patience)
	client, written := counting(t, s.Addr())
	b := redis.New(client)
	ask := func(t *testing.T) {
		t.Helper()
		sent, made := written.Load(), s.connections(t)
		for end, ctx := range ended(t) {
			for name, operation := range operations(neverRuns(t)) {
				for _, key := range []string{"free", "theirs", "ours"} {
					err := operation(ctx, newMutex(t, b, key, mutex.Config{TTL: long}))
					assert.ErrorIs(t, err, ctx.Err(), "%s, %s, %s", name, end, key)
					assert.ErrorIs(t, err, context.Cause(ctx), "%s, %s, %s", name, end, key)
				}
			}
		}
		assert.Equal(t, sent, written.Load(), "something is sent")
		assert.Equal(t, made, s.connections(t), "a connection is made")
	}
	t.Run("before the first connection", ask)

	ours := contend(t, b, "ours", mutex.Config{TTL: long})
	ours.enters(t, patience)
	require.Positive(t, written.Load(), "the counter must count")
	scripts := s.scripts(t)
	t.Run("on a connection", ask)
	assert.Equal(t, scripts, s.scripts(t))

	ours.letsGo(t)
	theirs.letsGo(t)
	s.assertFree(t)
}

func TestHazard05_ACallerWhoLeftBeforeIsToldSoInMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		m := newMutex(t, b, key, mutex.Config{})
		for end, ctx := range ended(t) {
			for name, operation := range operations(neverRuns(t)) {
				began := time.Now()
				err := operation(ctx, m)
				assert.ErrorIs(t, err, ctx.Err(), "%s, %s", name, end)
				assert.Zero(t, time.Since(began))
			}
		}
		locked, err := b.IsLocked(t.Context(), key)
		require.NoError(t, err)
		assert.False(t, locked)
	})
}
