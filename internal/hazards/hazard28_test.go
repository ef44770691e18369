package hazards_test

import (
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// A waiter that cannot subscribe polls, and tries to subscribe every 2 s at
// most, on a connection that is closed again.
func TestHazard28_AWaiterThatCanNeverSubscribePolls(t *testing.T) {
	t.Parallel()
	const interval, watched = 50 * time.Millisecond, 3 * time.Second
	for _, c := range []struct {
		name string
		args []string
		acl  []any
		user string
	}{
		{"because the user has no channels", nil, []any{"ACL", "SETUSER", "mute", "on", "nopass", "~*", "+@all", "resetchannels"}, "mute"},
		{"because the server does not know the command", []string{"--rename-command", "SUBSCRIBE", ""}, []any{"PING"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t, c.args...)
			require.NoError(t, s.direct.Do(t.Context(), c.acl...).Err())
			holder := contend(t, s.process(t), key, mutex.Config{TTL: long})
			holder.enters(t, patience)
			deaf := goredis.NewClient(&goredis.Options{Addr: s.Addr(), Username: c.user, Password: c.user})
			t.Cleanup(func() { _ = deaf.Close() })
			waiter := contend(t, redis.New(deaf), key, mutex.Config{TTL: long, AcquireRetryInterval: interval})
			eventually(t, func() bool { return waiter.seen(mutex.Polling) > 0 }, "it polls")
			assert.ErrorContains(t, waiter.lastError(mutex.Polling), "SUBSCRIBE")

			polls, made, open := s.scripts(t), s.connections(t), s.clients(t, "normal")
			time.Sleep(watched)
			assert.LessOrEqual(t, s.connections(t)-made, 8, "it connects in a loop")
			assert.LessOrEqual(t, s.clients(t, "normal")-open, 1, "connections are left open")
			assert.LessOrEqual(t, s.ran(t, "subscribe"), 8, "it subscribes in a loop")
			polls = s.scripts(t) - polls
			assert.LessOrEqual(t, polls, int(watched/interval)+2, "it polls in a loop")
			assert.GreaterOrEqual(t, polls, 3, "it does not poll")
			assert.Equal(t, 1, waiter.seen(mutex.Polling))

			holder.letsGo(t)
			waiter.enters(t, little)
			waiter.letsGo(t)
		})
	}
}
