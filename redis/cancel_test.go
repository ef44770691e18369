package redis_test

import (
	"context"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis"
)

func TestEndedContextSendsNothing(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	b := redis.New(c)
	warm(t, b)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	require.NoError(t, c.ConfigResetStat(t.Context()).Err())
	for name, operation := range operations(b) {
		assert.ErrorIs(t, operation(cancelled), context.Canceled, name)
		assert.ErrorIs(t, operation(late), context.DeadlineExceeded, name)
	}
	for _, command := range []string{"evalsha", "eval", "get"} {
		assert.Zero(t, ran(t, c, command), command)
	}
	acquire(t, b, "k", "h")
	assert.Positive(t, ran(t, c, "evalsha"), "the counter must count")
}

func TestGrantThatCameTooLateIsLeftToTheCaller(t *testing.T) {
	t.Parallel()
	p, b, direct := throughProxy(t)
	p.CutReplies()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		_, err := b.TryAcquire(ctx, claim("k", "h"))
		failed <- err
	}()
	require.Eventually(t, func() bool {
		locked, err := direct.IsLocked(t.Context(), "k")
		return err == nil && locked
	}, 10*time.Second, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
	p.Heal()
	acquire(t, b, "other", "h") // the connection's turn has come
	assertHolder(t, direct, "k", "h")
	assertReleases(t, true, b, "k", "h")
}

func TestWaiterWhoseContextEndsWhileItSubscribesIsNotQueued(t *testing.T) {
	t.Parallel()
	s, direct := start(t)
	p := redistest.NewProxy(t, s.Addr())
	c := goredis.NewClient(&goredis.Options{Addr: p.Addr(), MaxRetries: -1})
	t.Cleanup(func() { _ = c.Close() })
	b := redis.New(c)
	acquire(t, b, "k", "a")
	p.AfterNext("hello", p.CutReplies) // the greeting of the connection that would subscribe
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		_, err := b.Enqueue(ctx, waiter("k", "b").Waiter)
		failed <- err
	}()
	time.AfterFunc(500*time.Millisecond, cancel)
	require.ErrorIs(t, <-failed, context.Canceled)
	assert.Empty(t, inQueue(t, direct))
}
