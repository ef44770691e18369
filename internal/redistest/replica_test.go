package redistest_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

func TestReplicaHasWhatThePrimaryHasUntilThatKeepsItToItself(t *testing.T) {
	t.Parallel()
	primary := redistest.Start(t)
	ctx, p := t.Context(), primary.Client(t)
	require.NoError(t, p.Set(ctx, "before", 1, 0).Err())
	replica := redistest.StartReplica(t, primary)
	r := replica.Client(t)
	assert.Equal(t, "1", r.Get(ctx, "before").Val())
	require.NoError(t, p.Set(ctx, "after", 2, 0).Err())
	replica.CatchUp(primary)
	assert.Equal(t, "2", r.Get(ctx, "after").Val())
	assert.ErrorContains(t, r.Set(ctx, "a", "b", 0).Err(), "READONLY")

	primary.StopReplicating()
	require.NoError(t, p.Set(ctx, "late", 3, 0).Err())
	replica.Promote()
	assert.ErrorIs(t, r.Get(ctx, "late").Err(), redis.Nil)
	assert.Equal(t, "2", r.Get(ctx, "after").Val())
	require.NoError(t, r.Set(ctx, "a", "b", 0).Err())

	primary.Demote("127.0.0.1:1")
	assert.ErrorContains(t, p.Set(ctx, "a", "b", 0).Err(), "READONLY")
	assert.Equal(t, "3", p.Get(ctx, "late").Val(), "it keeps what it has")
}

func TestADistantReplicaLagsBehind(t *testing.T) {
	t.Parallel()
	primary := redistest.Start(t)
	ctx, p := t.Context(), primary.Client(t)
	require.NoError(t, p.Set(ctx, "before", 1, 0).Err())
	replica, network := redistest.StartDistantReplica(t, primary)
	r := replica.Client(t)
	assert.Equal(t, "1", r.Get(ctx, "before").Val())
	network.Cut()
	require.NoError(t, p.Set(ctx, "cut", 2, 0).Err())
	assert.Zero(t, p.Wait(ctx, 1, 50*time.Millisecond).Val())
	assert.ErrorIs(t, r.Get(ctx, "cut").Err(), redis.Nil)
	network.Heal()
	assert.EqualValues(t, 1, p.Wait(ctx, 1, 10*time.Second).Val())
	assert.Equal(t, "2", r.Get(ctx, "cut").Val())
}
