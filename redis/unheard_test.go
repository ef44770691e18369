package redis_test

import (
	"context"
	"testing"
	"time"

	"github.com/IBM/fp-go/v2/option"
	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/redis"
)

// unheard is a client that may not subscribe, beside one that may do anything.
func unheard(t *testing.T) (admin, c *goredis.Client) {
	t.Helper()
	_, admin = start(t)
	require.NoError(t, admin.Do(t.Context(), "ACL", "SETUSER", "poller", "on", ">pw", "~*", "&*", "+@all", "-subscribe", "-ssubscribe").Err())
	options := *admin.Options()
	options.Username, options.Password = "poller", "pw"
	c = goredis.NewClient(&options)
	t.Cleanup(func() { _ = c.Close() })
	return admin, c
}

func TestAFreeLockIsNotKeptFromWhoPollsByAQueueOfTheDead(t *testing.T) {
	t.Parallel()
	admin, c := unheard(t)
	standIn(t, admin, "push:dead", "x")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	standing, err := redis.New(c).Enqueue(ctx, waiter("k", "h").Waiter)
	require.NoError(t, err)
	assert.True(t, option.IsSome(standing.Grant))
}

func TestAHolderWhoPollsIsRecognizedThoughOthersWait(t *testing.T) {
	t.Parallel()
	admin, c := unheard(t)
	b := redis.New(c)
	acquire(t, b, "k", "h")
	standIn(t, admin, "push:dead", "x")
	standing, err := b.Enqueue(t.Context(), waiter("k", "h").Waiter)
	require.NoError(t, err)
	assert.True(t, option.IsSome(standing.Grant))
}
