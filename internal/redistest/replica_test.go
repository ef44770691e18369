package redistest_test

import (
	"context"
	"sync"
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
	assert.Equal(t, "3", p.Get(ctx, "late").Val(), "it keeps its data")
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

// A subscriber of the old primary stays there, and still receives what is published on
// the new one, which counts no receiver.
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

func TestSentinelsPromoteTheReplicaAndTheirClientsFollow(t *testing.T) {
	t.Parallel()
	for name, dies := range map[string]bool{"as planned": false, "after the death of the primary": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			group := redistest.StartSentinels(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			c := group.Client(t)
			require.NoError(t, c.Set(ctx, "a", "kept", 0).Err())
			group.Replica.CatchUp(group.Primary)
			group.Primary.StopReplicating()
			require.NoError(t, c.Set(ctx, "b", "lost", 0).Err())
			if dies {
				group.Primary.Kill()
			}
			group.Failover()
			require.Eventually(t, func() bool { return c.Set(ctx, "c", "new", 0).Err() == nil }, 30*time.Second, 10*time.Millisecond)
			direct := group.Replica.Client(t)
			assert.Equal(t, []any{"kept", nil, "new"}, direct.MGet(ctx, "a", "b", "c").Val())
		})
	}
}

func TestSentinelsHandOverThereAndBackAndLoseNothing(t *testing.T) {
	t.Parallel()
	group := redistest.StartSentinels(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := group.Client(t)
	var written int64
	var writing sync.WaitGroup
	writing.Go(func() {
		for ctx.Err() == nil {
			n, err := c.Incr(ctx, "n").Result()
			if err != nil {
				continue // it is refused, or the connection has ended
			}
			if !assert.Greater(t, n, written, "a write is lost") {
				return
			}
			written = n
		}
	})
	for range 3 {
		group.HandOver()
	}
	cancel()
	writing.Wait()
	assert.Positive(t, written)
}
