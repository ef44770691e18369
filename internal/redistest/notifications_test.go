package redistest_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

func TestAProxyLosesNotificationsAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, version := range []int{2, 3} {
		server := redistest.Start(t)
		proxy := redistest.NewProxy(t, server.Addr())
		direct := server.Client(t)
		far := redis.NewClient(&redis.Options{Addr: proxy.Addr(), Protocol: version})
		t.Cleanup(func() { _ = far.Close() })
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()

		subscribed := far.Subscribe(ctx, "c")
		t.Cleanup(func() { _ = subscribed.Close() })
		_, err := subscribed.Receive(ctx)
		require.NoError(t, err)

		n := 0
		proxy.DropNotifications(func() bool { n++; return n%3 == 0 })
		long := strings.Repeat("x", 100_000) // more than one read
		for i, said := range []string{"1", "2", "3", "4\r\n$7", long, "6", "7"} {
			require.NoError(t, direct.Publish(ctx, "c", said).Err())
			if (i+1)%3 != 0 {
				m, err := subscribed.ReceiveMessage(ctx)
				require.NoError(t, err)
				assert.Equal(t, said, m.Payload)
			}
		}
		require.NoError(t, far.Set(ctx, "k", "message", 0).Err())
		assert.Equal(t, "message", far.Get(ctx, "k").Val())
		require.NoError(t, far.HSet(ctx, "h", "a", 1).Err())
		assert.Equal(t, map[string]string{"a": "1"}, far.HGetAll(ctx, "h").Val())
		assert.Equal(t, []any{"x", nil, int64(1)}, far.Eval(ctx, "return {'x', false, 1}", nil).Val())
	}
}
