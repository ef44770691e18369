package hazards_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/mutex"
)

// Nothing listens, so no request can have arrived: a caller has what is left of its time,
// and there is nothing to clean up. Without a deadline, what go-redis makes of one request is
// all: a client that dials once fails at once.
func TestHazard61_ACallersDeadlineIsKeptThoughTheServerRefuses(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.Kill()
	all := backings(t, s.Addr())
	calls, late := callAll(t, all, 25*time.Millisecond, 2*time.Second, 0)
	for _, c := range calls {
		otherwise := request
		if c.client == "once" {
			otherwise = 0
		}
		c.keepsDeadline(t, otherwise, late)
		require.Error(t, c.err, "%v", c)
		if c.deadline != 25*time.Millisecond || c.client == "once" {
			var refused *mutex.MutexBackingError
			assert.ErrorAs(t, c.err, &refused, "%v", c)
		}
		if c.client != "acknowledged" {
			assert.Zero(t, c.cleanups, "%v", c)
		}
	}
	began := time.Now()
	for client, b := range all {
		if client != "acknowledged" { // go-redis does not say what it has sent of two commands
			_, err := mutex.AwaitCleanup(b)(t.Context())
			require.NoError(t, err, client)
		}
	}
	assert.Less(t, time.Since(began), little, "there is nothing to wait for")
}
