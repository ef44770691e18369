package redis_test

import (
	"context"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis"
)

func TestCloseEndsTheSubscriptionAndLeavesTheClientOpen(t *testing.T) { //nolint:paralleltest // looks at all goroutines
	s := redistest.Start(t)
	c := s.Client(t)
	b := redis.New(c)
	holder := backing.Claim{Key: "k", Holder: "a", TTL: time.Minute}
	_, err := b.TryAcquire(t.Context(), holder)
	require.NoError(t, err)
	before := goleak.IgnoreCurrent()
	woken := make(chan struct{}, 10)
	waiter := backing.Waiter{Claim: backing.Claim{Key: "k", Holder: "b", TTL: time.Minute}, Wake: func() { woken <- struct{}{} }}
	outcome, err := b.Enqueue(t.Context(), waiter)
	require.NoError(t, err)
	require.IsType(t, backing.Queued{}, outcome)

	require.NoError(t, b.Close())
	<-woken // to ask again, as no message can wake it any more
	outcome, err = b.Enqueue(t.Context(), waiter)
	require.NoError(t, err)
	require.IsType(t, backing.MustPoll{}, outcome)
	assert.Error(t, outcome.(backing.MustPoll).Why)
	subscribed, err := c.PubSubChannels(t.Context(), "*").Result()
	require.NoError(t, err)
	assert.Empty(t, subscribed)
	freed, err := b.Release(t.Context(), "k", "a")
	require.NoError(t, err)
	assert.True(t, freed, "what is held can be released")
	require.NoError(t, b.Close(), "it may be closed again")
	require.NoError(t, c.Close())
	require.NoError(t, goleak.Find(before))
}

// A subscription that is under way ends as well, and a waiter that comes later polls.
func TestCloseEndsASubscriptionThatIsBeingMade(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	network := redistest.NewProxy(t, s.Addr())
	c := goredis.NewClient(&goredis.Options{Addr: network.Addr(), ReadTimeout: 200 * time.Millisecond})
	t.Cleanup(func() { _ = c.Close() })
	b := redis.New(c)
	_, err := b.TryAcquire(t.Context(), backing.Claim{Key: "k", Holder: "a", TTL: time.Minute})
	require.NoError(t, err)
	network.AfterNext("evalsha", network.Cut) // the subscription finds nobody
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, _ = b.Enqueue(ctx, backing.Waiter{Claim: backing.Claim{Key: "k", Holder: "b", TTL: time.Minute}, Wake: func() {}})
	began := time.Now()
	require.NoError(t, b.Close())
	assert.Less(t, time.Since(began), 3*time.Second)
}

func TestCloseEndsWhatIsUndoneLater(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	network := redistest.NewProxy(t, s.Addr())
	c := goredis.NewClient(&goredis.Options{Addr: network.Addr(), MaxRetries: -1})
	t.Cleanup(func() { _ = c.Close() })
	b := redis.New(c)
	free := backing.Claim{Key: "k", Holder: "a", TTL: time.Minute}
	_, err := b.Release(t.Context(), "another", "a")
	require.NoError(t, err)
	_, err = b.TryAcquire(t.Context(), backing.Claim{Key: "another", Holder: "a", TTL: time.Minute})
	require.NoError(t, err)

	network.CutReplies() // it is applied, and has no reply
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = b.TryAcquire(ctx, free)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.False(t, backing.IsNotSent(err))
	network.Cut()
	again, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = b.Release(again, "k", "a")
	require.Error(t, err)
	require.NoError(t, b.Close()) // before it is tried again
	network.Reset()               // what is under way is lost
	network.Heal()
	time.Sleep(2 * time.Second) // in which it would be undone
	holder, err := s.Client(t).Get(t.Context(), "dmutex:k").Result()
	require.NoError(t, err)
	assert.Equal(t, "a", holder)
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
