package push

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// listener is a Push and what it has reported.
type listener struct {
	*Push
	messages chan string
	gaps     chan struct{}
}

// newListener makes a Push. Both of its functions ask it something, which would
// never return if it held its mutex.
func newListener(client goredis.UniversalClient) *listener {
	e := &listener{messages: make(chan string, 100), gaps: make(chan struct{}, 100)}
	e.Push = New(client, "me", func(payload string) {
		e.Ready("any")
		e.messages <- payload
	}, func() {
		e.Ready("any")
		e.gaps <- struct{}{}
	})
	e.confirmWithin = ages // however busy the machine is
	return e
}

func (e *listener) mustListen(t *testing.T, lock string) string {
	t.Helper()
	channel, err := e.Listen(t.Context(), lock)
	require.NoError(t, err)
	ready, ok := e.Ready(lock)
	require.True(t, ok)
	require.Equal(t, channel, ready)
	return channel
}

// listenAgain listens as often as it takes, as waiters do.
func (e *listener) listenAgain(t *testing.T, lock string) string {
	t.Helper()
	var channel string
	require.Eventually(t, func() bool {
		var err error
		channel, err = e.Listen(t.Context(), lock)
		return err == nil
	}, ages, 5*time.Millisecond)
	return channel
}

func (e *listener) awaitGap(t *testing.T) {
	t.Helper()
	select {
	case <-e.gaps:
	case <-time.After(ages):
		require.Fail(t, "onGap was not called")
	}
}

// ages is longer than anything takes that works.
const ages = 20 * time.Second

// assertReceives publishes to a channel that is confirmed.
func assertReceives(t *testing.T, e *listener, publish *goredis.IntCmd) {
	t.Helper()
	receivers, err := publish.Result()
	require.NoError(t, err)
	require.EqualValues(t, 1, receivers)
	payload, _ := publish.Args()[2].(string)
	select {
	case got := <-e.messages:
		assert.Equal(t, payload, got)
	case <-time.After(ages):
		require.Fail(t, "the message did not arrive")
	}
}

// subscribers are the ids of the connections in pub/sub mode.
func subscribers(t *testing.T, c *goredis.Client) []string {
	t.Helper()
	list, err := c.Do(context.Background(), "CLIENT", "LIST", "TYPE", "PUBSUB").Text()
	require.NoError(t, err)
	return regexp.MustCompile(`(?m)^id=\d+`).FindAllString(list, -1)
}

func connections(t *testing.T, c *goredis.Client) int {
	t.Helper()
	list, err := c.ClientList(context.Background()).Result()
	require.NoError(t, err)
	return strings.Count(list, "id=") - strings.Count(list, "-id=")
}

// asked counts how often the server was given the command, refused or not.
func asked(t *testing.T, c *goredis.Client, command string) int {
	t.Helper()
	stats, err := c.InfoMap(context.Background(), "commandstats").Result()
	require.NoError(t, err)
	n := 0
	for field := range strings.SplitSeq(stats["Commandstats"]["cmdstat_"+command], ",") {
		name, value, _ := strings.Cut(field, "=")
		if name == "calls" || name == "rejected_calls" {
			count, err := strconv.Atoi(value)
			require.NoError(t, err)
			n += count
		}
	}
	return n
}

func (e *listener) isReady(lock string) bool {
	_, ok := e.Ready(lock)
	return ok
}
