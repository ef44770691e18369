package redistest_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

// A subscriber of the old primary stays with it, and still receives what is
// published on the new one, which counts no receiver.
func TestPairFailsOverThereAndBackAndConnectionsStayWhereTheyAre(t *testing.T) {
	t.Parallel()
	p := redistest.StartPair(t)
	ctx := t.Context()
	require.NoError(t, p.Client(t).Set(ctx, "k", "v", 0).Err())
	subscription := p.Client(t).Subscribe(ctx, "c")
	defer subscription.Close()
	_, err := subscription.Receive(ctx)
	require.NoError(t, err)
	first := p.Primary
	for range 2 {
		old := p.Primary.Client(t)
		p.Failover()
		assert.Equal(t, "v", p.Client(t).Get(ctx, "k").Val())
		require.NoError(t, p.Client(t).Set(ctx, "n", 1, 0).Err())
		assert.ErrorContains(t, old.Set(ctx, "n", 1, 0).Err(), "READONLY")
		if p.Primary != first {
			assert.Zero(t, p.Client(t).Publish(ctx, "c", "hello").Val())
			message, err := subscription.ReceiveTimeout(ctx, 5*time.Second)
			require.NoError(t, err)
			assert.Equal(t, "hello", message.(*redis.Message).Payload)
		}
	}
	assert.Equal(t, first, p.Primary)
}

func TestShardFailsOverThereAndBack(t *testing.T) {
	t.Parallel()
	s := redistest.StartShard(t)
	ctx, c := t.Context(), s.Client(t)
	require.NoError(t, c.Set(ctx, "k", "v", 0).Err())
	for range 3 {
		old := s.Primary
		s.Failover()
		assert.NotEqual(t, old, s.Primary)
		assert.Equal(t, "v", c.Get(ctx, "k").Val())
		require.NoError(t, c.Set(ctx, "n", 1, 0).Err())
		assert.ErrorContains(t, old.Client(t).Set(ctx, "n", 1, 0).Err(), "MOVED ")
	}
}
