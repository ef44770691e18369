package redis_test

import (
	"context"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis"
)

// waiting is a claimant that waits, and its wake-ups.
type waiting struct {
	backing.Waiter
	woken chan struct{}
}

func waiter(key, holder string) waiting {
	w := waiting{woken: make(chan struct{}, 100)}
	w.Waiter = backing.Waiter{Claim: claim(key, holder), Wake: func() { w.woken <- struct{}{} }}
	return w
}

func enqueue(t *testing.T, b *redis.Backing, w waiting) backing.Outcome {
	t.Helper()
	o, err := b.Enqueue(context.Background(), w.Waiter)
	require.NoError(t, err)
	return o
}

// queues puts w in the queue for a lock that another has. A loaded machine may take long
// to subscribe.
func queues(t *testing.T, b *redis.Backing, w waiting) backing.Queued {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		switch o := enqueue(t, b, w).(type) {
		case backing.Queued:
			require.Positive(t, o.AskAgain)
			return o
		case backing.MustPoll:
			require.True(t, time.Now().Before(end), "%s is not queued: %v", w.Holder, o.Why)
		default:
			require.Fail(t, "not queued", "%s: %#v", w.Holder, o)
		}
	}
}

func (w waiting) isWoken(t *testing.T) {
	t.Helper()
	select {
	case <-w.woken:
	case <-time.After(20 * time.Second):
		require.Fail(t, "not woken", "%s waits for %s", w.Holder, w.Key)
	}
}

// isGranted waits until w is woken, and asks for the lock that is reserved for it. On a machine
// that has stopped for two seconds it is queued again, and asks when it is woken next.
func (w waiting) isGranted(t *testing.T, b *redis.Backing) backing.Grant {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		w.isWoken(t)
		if o, ok := enqueue(t, b, w).(backing.Granted); ok {
			return o.Grant
		}
	}
	require.Fail(t, "not granted", "%s waits for %s", w.Holder, w.Key)
	return backing.Grant{}
}

// inQueue lists the holders in the queue for the lock dmutex:k, in its order.
func inQueue(t *testing.T, c *goredis.Client) []string {
	t.Helper()
	members, err := c.ZRange(context.Background(), queueKey, 0, -1).Result()
	require.NoError(t, err)
	holders := []string{}
	for _, member := range members {
		words := strings.SplitN(member, " ", 3)
		holders = append(holders, words[len(words)-1])
	}
	return holders
}

// standIn puts a waiter in the queue whose process listens to channel, if any does.
func standIn(t *testing.T, c *goredis.Client, channel, holder string) {
	t.Helper()
	ctx := context.Background()
	require.NoError(t, c.ZAdd(ctx, queueKey, goredis.Z{Score: 1, Member: "2000 " + channel + " " + holder}).Err())
	require.NoError(t, c.PExpire(ctx, queueKey, time.Minute).Err())
}
