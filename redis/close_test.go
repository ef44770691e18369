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
	c := redistest.Start(t).Client(t)
	b := redis.New(c)
	acquire(t, b, "k", "a")
	before := goleak.IgnoreCurrent()
	w := waiter("k", "b")
	queues(t, b, w)

	require.NoError(t, b.Close())
	w.isWoken(t) // to ask again, because no message can wake it any more
	outcome := enqueue(t, b, w)
	require.IsType(t, backing.MustPoll{}, outcome)
	assert.Error(t, outcome.(backing.MustPoll).Why)
	assert.Empty(t, c.PubSubChannels(t.Context(), "*").Val())
	assertReleases(t, true, b, "k", "a") // a held lock can still be released
	require.NoError(t, b.Close(), "it may be closed again")
	require.NoError(t, c.Close())
	require.NoError(t, goleak.Find(before))
}

// A subscription that is under way ends as well, and a waiter that comes later polls.
func TestCloseEndsASubscriptionThatIsBeingMade(t *testing.T) {
	t.Parallel()
	p, b, _ := throughProxy(t)
	acquire(t, b, "k", "a")
	p.AfterNext("evalsha", p.Cut) // the subscription reaches nobody
	fails(t, func(ctx context.Context) error { _, err := b.Enqueue(ctx, waiter("k", "b").Waiter); return err })
	began := time.Now()
	require.NoError(t, b.Close())
	assert.Less(t, time.Since(began), 4*time.Second) // it would take 5 s if it were not ended
}

func TestCloseEndsWhatIsUndoneLater(t *testing.T) {
	t.Parallel()
	p, b, direct := throughProxy(t)
	p.CutReplies() // the request is applied, and has no reply
	fails(t, func(ctx context.Context) error { _, err := b.TryAcquire(ctx, claim("k", "a")); return err })
	p.Cut()
	fails(t, func(ctx context.Context) error { _, err := b.Release(ctx, "k", "a"); return err })
	require.NoError(t, b.Close()) // before the release is repeated
	p.Reset()                     // requests under way are lost
	p.Heal()
	stays(t, 2*time.Second, func() bool { // in this time the grant would be undone
		locked, err := direct.IsLocked(t.Context(), "k")
		return err == nil && locked
	})
}

func TestWaiterWhoseContextEndsWhileItSubscribesIsNotQueued(t *testing.T) {
	t.Parallel()
	s, direct := start(t)
	p := redistest.NewProxy(t, s.Addr())
	b := redis.New(dial(t, goredis.Options{Addr: p.Addr(), MaxRetries: -1}))
	acquire(t, b, "k", "a")
	p.AfterNext("hello", p.CutReplies) // the greeting of the connection that would subscribe
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	time.AfterFunc(500*time.Millisecond, cancel)
	_, err := b.Enqueue(ctx, waiter("k", "b").Waiter)
	require.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, inQueue(t, direct))
}
