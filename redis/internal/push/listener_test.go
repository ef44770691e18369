package push

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

func TestMain(m *testing.M) { redistest.Main(m) }

// ages is longer than anything takes that works.
const ages = 20 * time.Second

// listener is a Push, and what it has reported.
type listener struct {
	*Push
	messages chan string
	gaps     atomic.Int64
}

// newListener makes a Push with one waiter. Both of its functions call a method of it,
// which would never return if Push held its mutex.
func newListener(t *testing.T, client goredis.UniversalClient) *listener {
	t.Helper()
	e := &listener{messages: make(chan string, 100)}
	e.Push = New(client, "me", func(payload string) {
		e.AddWaiters(0)
		e.messages <- payload
	}, func() {
		e.AddWaiters(0)
		e.gaps.Add(1)
	})
	e.confirmWithin = ages // even on a busy machine
	e.AddWaiters(1)
	t.Cleanup(func() { assert.NoError(t, e.Close()) })
	return e
}

func (e *listener) mustListen(t *testing.T, lock string) string {
	t.Helper()
	channel, err := e.Listen(t.Context(), lock)
	require.NoError(t, err)
	require.True(t, e.isReady(lock))
	return channel
}

// listenAgain listens as often as it takes, as waiters do.
func (e *listener) listenAgain(t *testing.T, lock string) (channel string) {
	t.Helper()
	require.Eventually(t, func() bool {
		var err error
		channel, err = e.Listen(t.Context(), lock)
		return err == nil
	}, ages, 5*time.Millisecond)
	return channel
}

func (e *listener) isReady(lock string) bool {
	_, ok := e.Ready(lock)
	return ok
}

// awaitGaps waits until onGap has been called so many times since the beginning.
func (e *listener) awaitGaps(t *testing.T, n int64) {
	t.Helper()
	require.Eventually(t, func() bool { return e.gaps.Load() >= n }, ages, time.Millisecond)
	assert.Equal(t, n, e.gaps.Load())
}

// assertReceives publishes to a channel that is confirmed.
func assertReceives(t *testing.T, e *listener, publish *goredis.IntCmd) {
	t.Helper()
	receivers, err := publish.Result()
	require.NoError(t, err)
	require.EqualValues(t, 1, receivers)
	select {
	case got := <-e.messages:
		assert.Equal(t, publish.Args()[2], got)
	case <-time.After(ages):
		require.Fail(t, "the message did not arrive")
	}
}

// ids returns the ids of the connections of a type.
func ids(t *testing.T, c *goredis.Client, kind string) []string {
	t.Helper()
	list, err := c.Do(context.Background(), "CLIENT", "LIST", "TYPE", kind).Text()
	require.NoError(t, err)
	return regexp.MustCompile(`(?m)^id=\d+`).FindAllString(list, -1)
}

func subscribers(t *testing.T, c *goredis.Client) []string { return ids(t, c, "pubsub") }

func awaitNoSubscribers(t *testing.T, c *goredis.Client) {
	t.Helper()
	require.Eventually(t, func() bool { return len(subscribers(t, c)) == 0 }, ages, time.Millisecond)
}

// awaitNoOther waits until the only connection that does not subscribe is that of c.
func awaitNoOther(t *testing.T, c *goredis.Client) {
	t.Helper()
	require.Eventually(t, func() bool { return len(ids(t, c, "normal")) == 1 }, ages, time.Millisecond)
}

// asked counts how often the server received the command, refused or not.
func asked(t *testing.T, c *goredis.Client, command string) int {
	t.Helper()
	stats, err := c.InfoMap(context.Background(), "commandstats").Result()
	require.NoError(t, err)
	var calls, rejected int
	for field := range strings.SplitSeq(stats["Commandstats"]["cmdstat_"+command], ",") {
		_, _ = fmt.Sscanf(field, "calls=%d", &calls)
		_, _ = fmt.Sscanf(field, "rejected_calls=%d", &rejected)
	}
	return calls + rejected
}

// connect returns a client that is closed at the end.
func connect(t *testing.T, o *goredis.Options) *goredis.Client {
	t.Helper()
	c := goredis.NewClient(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// behindProxy returns a listener whose client goes through a proxy, and a client that
// bypasses it.
func behindProxy(t *testing.T) (*redistest.Proxy, *listener, *goredis.Client) {
	t.Helper()
	s := redistest.Start(t)
	p := redistest.NewProxy(t, s.Addr())
	return p, newListener(t, connect(t, &goredis.Options{Addr: p.Addr()})), s.Client(t)
}

// dials returns a client that counts its connections, and waits long for replies.
func dials(t *testing.T, s *redistest.Server) (*goredis.Client, *atomic.Int64) {
	t.Helper()
	var n atomic.Int64
	return connect(t, &goredis.Options{Addr: s.Addr(), ReadTimeout: ages, Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
		n.Add(1)
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}), &n
}
