package redistest_test

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

func TestServerTakesSettingsAndUsersWhileItRuns(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	ctx := t.Context()
	s.Allow("app", "on", ">secret", "~*", "+@all")
	c := redis.NewClient(&redis.Options{Addr: s.Addr(), Username: "app", Password: "secret"})
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.Set(ctx, "a", "b", 0).Err())

	s.Configure("maxmemory", "1")
	assert.ErrorContains(t, c.Set(ctx, "a", "b", 0).Err(), "OOM")
	s.Configure("maxmemory", "0")
	s.Flush()
	assert.ErrorIs(t, c.Get(ctx, "a").Err(), redis.Nil)
	s.Allow("app", "-get")
	assert.ErrorContains(t, c.Get(ctx, "a").Err(), "NOPERM")
	s.Allow("app", "resetpass", ">another")
	assert.ErrorContains(t, c.Ping(ctx).Err(), "WRONGPASS", "connections that were open must not last")
}

func TestServerWithoutACommandAnswersAsIfItHadNeverBeen(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--rename-command", "INCR", "")
	assert.ErrorContains(t, s.Client(t).Incr(t.Context(), "n").Err(), "ERR unknown command")
}
