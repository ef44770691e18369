package redis

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

// ear is a hub and what it has told.
type ear struct {
	*hub
	words chan string
	gaps  chan struct{}
}

// listenTo makes a hub. Both of its calls ask it something, which would never
// return if it held its mutex.
func listenTo(client goredis.UniversalClient) *ear {
	e := &ear{words: make(chan string, 100), gaps: make(chan struct{}, 100)}
	e.hub = newHub(client, "me", func(payload string) {
		e.ready("any")
		e.words <- payload
	}, func() {
		e.ready("any")
		e.gaps <- struct{}{}
	})
	return e
}

func (e *ear) mustListen(t *testing.T, lock string) string {
	t.Helper()
	channel, err := e.listen(t.Context(), lock)
	require.NoError(t, err)
	require.True(t, e.ready(lock))
	return channel
}

// listenAgain listens as often as it takes, as waiters do.
func (e *ear) listenAgain(t *testing.T, lock string) string {
	t.Helper()
	var channel string
	require.Eventually(t, func() bool {
		var err error
		channel, err = e.listen(t.Context(), lock)
		return err == nil
	}, ages, 5*time.Millisecond)
	return channel
}

func (e *ear) awaitGap(t *testing.T) {
	t.Helper()
	select {
	case <-e.gaps:
	case <-time.After(ages):
		require.Fail(t, "no gap was told")
	}
}

// ages is what only a broken hub exhausts.
const ages = 20 * time.Second

// assertHears publishes to a channel that is confirmed.
func assertHears(t *testing.T, e *ear, publish *goredis.IntCmd) {
	t.Helper()
	heard, err := publish.Result()
	require.NoError(t, err)
	require.EqualValues(t, 1, heard, "how many heard it")
	word, _ := publish.Args()[2].(string)
	select {
	case got := <-e.words:
		assert.Equal(t, word, got)
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
