package mutex_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/mutex"
)

func TestDoFailsAsTheWorkDoes(t *testing.T) {
	t.Parallel()
	s := newStore()
	m := newMutex(t, s, mutex.Config{})
	require.ErrorIs(t, m.Do(t.Context(), func(context.Context) error { return errWork }), errWork)
	ran, err := m.TryDo(t.Context(), func(context.Context) error { return errWork })
	assert.True(t, ran)
	require.ErrorIs(t, err, errWork)
	s.requireFree(t)
}

func TestTryDoLeavesWorkUndoneWhoseLockIsHeld(t *testing.T) {
	t.Parallel()
	s := newStore()
	require.True(t, s.grant("another", ttl))
	ran, err := newMutex(t, s, mutex.Config{}).TryDo(t.Context(), func(context.Context) error {
		assert.Fail(t, "it ran")
		return nil
	})
	require.NoError(t, err)
	assert.False(t, ran)
}

func TestDoEndsTheWorksContextWhenTheLockIsLost(t *testing.T) {
	each(t, map[string]func(*mutex.Mutex, context.Context, func(context.Context) error) error{
		"Do": (*mutex.Mutex).Do,
		"TryDo": func(m *mutex.Mutex, ctx context.Context, work func(context.Context) error) error {
			ran, err := m.TryDo(ctx, work)
			assert.True(t, ran)
			return err
		},
	}, func(t *testing.T, do func(*mutex.Mutex, context.Context, func(context.Context) error) error) {
		s := newStore()
		s.on(fails, "refresh")
		start := time.Now()
		err := do(newMutex(t, s, mutex.Config{}), t.Context(), func(ctx context.Context) error {
			lock, ok := mutex.FromContext(ctx)
			assert.True(t, ok && lock.Token() > 0)
			<-ctx.Done()
			assert.Less(t, time.Since(start), ttl)
			return context.Cause(ctx)
		})
		requireLost(t, err, mutex.Expired)
	})
}

func TestMustPanicsWithTheConfigError(t *testing.T) {
	t.Parallel()
	m := newMutex(t, newStore(), mutex.Config{})
	assert.Same(t, m, mutex.Must(m, nil))
	defer func() { requireA[*mutex.ConfigError](t, recover().(error)) }()
	mutex.Must(mutex.New(newStore(), "", mutex.Config{}))
}
