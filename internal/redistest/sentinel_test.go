package redistest_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

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
			if !assert.Greater(t, n, written, "what was written is lost") {
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
