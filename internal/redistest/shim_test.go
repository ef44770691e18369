package redistest_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

// shimmed returns a client that goes through a shim, and clients of the servers behind it.
func shimmed(t *testing.T, rules map[string]redistest.Rule, servers int) (*redis.Client, []*redis.Client) {
	t.Helper()
	var addrs []string
	var direct []*redis.Client
	for range servers {
		s := redistest.Start(t)
		addrs, direct = append(addrs, s.Addr()), append(direct, s.Client(t))
	}
	c := redis.NewClient(&redis.Options{
		Addr: redistest.NewShim(t, rules, addrs...).Addr, ContextTimeoutEnabled: true, MaxRetries: -1,
	})
	t.Cleanup(func() { _ = c.Close() })
	return c, direct
}

func TestShimPassesOnWhatItHasNoRuleFor(t *testing.T) {
	t.Parallel()
	c, direct := shimmed(t, nil, 1)
	require.NoError(t, c.Set(t.Context(), "k", "one\r\ntwo", 0).Err())
	assert.Equal(t, "one\r\ntwo", direct[0].Get(t.Context(), "k").Val())
	assert.Equal(t, []any{"k", "one\r\ntwo", int64(1)}, c.Eval(t.Context(), "return {KEYS[1], redis.call('GET', KEYS[1]), 1}", []string{"k"}).Val())
	assert.ErrorIs(t, c.Get(t.Context(), "none").Err(), redis.Nil)
	assert.ErrorContains(t, c.Do(t.Context(), "NONSENSE").Err(), "unknown command")
	assert.NotEmpty(t, c.InfoMap(t.Context()).Val())
	results, err := c.Pipelined(t.Context(), func(p redis.Pipeliner) error {
		p.HSet(t.Context(), "h", "f", "v")
		p.HGetAll(t.Context(), "h")
		return nil
	})
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"f": "v"}, results[1].(*redis.MapStringStringCmd).Val())
}

func TestShimPassesMessagesOn(t *testing.T) {
	t.Parallel()
	c, direct := shimmed(t, nil, 1)
	subscription := c.Subscribe(t.Context(), "one")
	defer subscription.Close()
	_, err := subscription.Receive(t.Context())
	require.NoError(t, err)
	require.NoError(t, subscription.Subscribe(t.Context(), "two"))
	_, err = subscription.Receive(t.Context())
	require.NoError(t, err)
	require.NoError(t, direct[0].Publish(t.Context(), "two", "m").Err())
	message, err := subscription.ReceiveMessage(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "m", message.Payload)
}

func TestShimDoesWhatItsRulesSay(t *testing.T) {
	t.Parallel()
	c, _ := shimmed(t, map[string]redistest.Rule{
		"hello": redistest.Refuse("ERR unknown command 'hello', with args beginning with: 3"),
		"info":  redistest.Refuse("ERR not here"),
		"time":  redistest.HangUp(),
		"echo":  redistest.Ignore(),
	}, 1)
	require.NoError(t, c.Ping(t.Context()).Err())
	assert.EqualError(t, c.Info(t.Context()).Err(), "ERR not here")
	assert.ErrorIs(t, c.Time(t.Context()).Err(), io.EOF)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	assert.Error(t, c.Echo(ctx, "x").Err())
	assert.NoError(t, c.Ping(t.Context()).Err())
}

func TestShimSendsACommandWhereItsFirstKeyBelongs(t *testing.T) {
	t.Parallel()
	c, direct := shimmed(t, nil, 2)
	for _, k := range []string{"a", "b", "c", "d", "e", "f"} {
		require.NoError(t, c.Set(t.Context(), k, k, 0).Err())
		assert.Equal(t, k, c.Get(t.Context(), k).Val())
		assert.Equal(t, k, c.Eval(t.Context(), "return redis.call('GET', KEYS[1])", []string{k, "a"}).Val())
	}
	for _, server := range direct {
		assert.NotZero(t, server.DBSize(t.Context()).Val())
	}
}
