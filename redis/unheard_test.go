package redis_test

import (
	"context"
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
