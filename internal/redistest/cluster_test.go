package redistest_test

import (
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

func TestClusterServesEverySlotFromThreeServers(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	c := cluster.Client(t)
	for n := range 100 {
		key := strconv.Itoa(n)
		require.NoError(t, c.Set(t.Context(), key, key, 0).Err())
	}
	for _, s := range cluster.Servers {
		require.NotZero(t, s.Client(t).DBSize(t.Context()).Val(), s.Addr())
	}
}

func TestSlotThatMovesAnswersAskAndThenMoved(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	ctx, c := t.Context(), cluster.Client(t)
	require.NoError(t, c.Set(ctx, "k", "v", 0).Err())
	from := cluster.Owner(t, "k")
	to := cluster.Servers[0]
	if to == from {
		to = cluster.Servers[1]
	}
	direct := redis.NewClient(&redis.Options{Addr: from.Addr()})
	defer direct.Close()

	m := cluster.Migrate(t, "k", to)
	assert.Equal(t, "v", direct.Get(ctx, "k").Val(), "it still has the key")
	assert.Equal(t, 1, m.MoveKeys())
	assert.ErrorContains(t, direct.Get(ctx, "k").Err(), "ASK ")
	assert.ErrorContains(t, to.Client(t).Get(ctx, "k").Err(), "MOVED ", "it serves the slot only to clients that ASK sent")
	assert.Equal(t, "v", c.Get(ctx, "k").Val())
	m.Finish()
	assert.ErrorContains(t, direct.Get(ctx, "k").Err(), "MOVED ")
	assert.Equal(t, "v", to.Client(t).Get(ctx, "k").Val())
	assert.Equal(t, to, cluster.Owner(t, "k"))
}
