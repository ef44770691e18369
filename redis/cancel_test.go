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
