package hazards_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// Nothing listens, so no request can have arrived: a caller has what is left of its time,
// and there is nothing to clean up. Without a deadline, what go-redis makes of one request is
// all: a client that dials once fails at once.
func TestHazard61_ACallersDeadlineIsKeptThoughTheServerRefuses(t *testing.T) {
	t.Parallel()
	for name, began := range map[string]bool{"from the start": false, "after it has answered": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Cleanup(func() { eventually(t, func() bool { return !isDialling() }, "clients that are closed do not dial") })
			s := newTrainedStore(t)
			all := backings(t, s.Addr(), began)
			s.Kill()
			for _, b := range all {
				forgetConnections(t, b)
			}
			// A request that others share a round trip with goes on for as long as they do: go-redis
			// may still find the server. And of two commands it does not say which it has sent.
			certain := func(client string) bool { return client == "once" || !began && client != "acknowledged" }
			calls, late := callAll(t, all, 25*time.Millisecond, request/2, request, 0)
			for _, c := range calls {
				otherwise := request
				if c.client == "once" {
					otherwise = 0
				}
				c.keepsDeadline(t, otherwise, late)
				require.Error(t, c.err, "%v", c)
				_, acquires := acquiring[c.way] // go-redis dials up to twenty times for a question
				if acquires && c.deadline >= request/2 || c.client == "once" {
					var refused *mutex.MutexBackingError
					assert.ErrorAs(t, c.err, &refused, "%v", c)
				}
				if certain(c.client) {
					assert.Zero(t, c.cleanups, "%v", c)
				}
			}
			ended := time.Now()
			for client, b := range all {
				if certain(client) {
					_, err := mutex.AwaitCleanup(b)(t.Context())
					require.NoError(t, err, client)
				}
			}
			assert.Less(t, time.Since(ended), little, "there is nothing to wait for")
		})
	}
}

// forgetConnections has the client find the connections broken that it keeps: what is sent on
// one of those may have been received, for all that it knows.
func forgetConnections(t *testing.T, b *redis.Backing) {
	t.Helper()
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, err := b.IsLocked(ctx, key)
		cancel()
		require.Error(t, err)
	}
}

// isDialling reports whether go-redis still looks for a server: it looks once a second whether
// its client is closed.
func isDialling() bool {
	stacks := make([]byte, 1<<22)
	return strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "tryDial")
}
