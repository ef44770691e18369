package redis_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis"
)

// poller is a client that may not subscribe, beside one that may do anything.
func poller(t *testing.T) (admin, c *goredis.Client) {
	t.Helper()
	_, admin = start(t)
	require.NoError(t, admin.Do(t.Context(), "ACL", "SETUSER", "poller", "on", ">pw", "~*", "&*", "+@all", "-subscribe", "-ssubscribe").Err())
	options := *admin.Options()
	options.Username, options.Password = "poller", "pw"
	c = goredis.NewClient(&options)
	t.Cleanup(func() { _ = c.Close() })
	return admin, c
}

func TestWaitersThatAreGoneKeepAFreeLockFromNobodyWhoPolls(t *testing.T) {
	t.Parallel()
	admin, c := poller(t)
	standIn(t, admin, "push:gone", "x")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	o, err := redis.New(c).Enqueue(ctx, waiter("k", "h").Waiter)
	require.NoError(t, err)
	assert.IsType(t, backing.Granted{}, o)
}

func TestHolderThatPollsIsRecognizedThoughOthersWait(t *testing.T) {
	t.Parallel()
	admin, c := poller(t)
	b := redis.New(c)
	acquire(t, b, "k", "h")
	standIn(t, admin, "push:gone", "x")
	o := enqueue(t, b, waiter("k", "h"))
	g, ok := o.(backing.Granted)
	require.True(t, ok, "%#v", o)
	assert.True(t, g.Resumed)
}

// As after a failover that the connection to the old primary survives: the new one counts
// no receiver, which its reply says.
func TestSubscriptionOnAnotherServerIsReplacedAtOnce(t *testing.T) {
	t.Parallel()
	before, old := start(t)
	after, admin := start(t)
	var addr atomic.Value
	addr.Store(before.Addr())
	c := goredis.NewClient(&goredis.Options{Dialer: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr.Load().(string))
	}})
	t.Cleanup(func() { _ = c.Close() })
	locks, direct := redis.New(c), redis.New(admin)
	acquire(t, redis.New(old), "k", "a")
	acquire(t, direct, "k", "a")
	w := waiter("k", "b")
	queues(t, locks, w)

	addr.Store(after.Addr())
	require.NoError(t, old.Do(t.Context(), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Err())
	require.Eventually(t, func() bool { // the probe is due once a second
		o, err := locks.Enqueue(t.Context(), w.Waiter)
		q, _ := o.(backing.Queued)
		return err == nil && q.AskAgain > 0 && q.AskAgain <= 250*time.Millisecond
	}, 20*time.Second, 10*time.Millisecond)
	w.isWoken(t) // for what may have been lost
	require.Eventually(t, func() bool {
		return len(admin.PubSubChannels(t.Context(), "push:*").Val()) == 1
	}, 20*time.Second, time.Millisecond)
	queues(t, locks, w)
	assertReleases(t, true, direct, "k", "a")
	w.isGranted(t, locks)
}
