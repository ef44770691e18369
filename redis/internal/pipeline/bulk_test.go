package pipeline

import (
	"fmt"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis/internal/script"
)

func TestBulkCommandsHaveAsManyWordsAsTheyNeedAndLanesOfTheirOwn(t *testing.T) {
	t.Parallel()
	proxy := redistest.NewProxy(t, redistest.Start(t).Addr())
	p := New(clientOf(t, goredis.Options{Addr: proxy.Addr()}))
	warm(t, p)
	join := script.New("return #KEYS .. ' ' .. table.concat(ARGV, ' ')")
	var keys, words []string
	for i := range 500 {
		keys, words = append(keys, fmt.Sprint("k", i)), append(words, fmt.Sprint("w", i))
	}
	bulk := func() *Command {
		c := NewCommand(join, len(keys))
		c.AddAll(keys...)
		c.AddInt(7)
		c.AddAll(words...)
		return c
	}
	want := "500 7 " + strings.Join(words, " ")
	reply, err := p.RunBulk(t.Context(), bulk())
	require.NoError(t, err)
	assert.Equal(t, want, reply.Value)

	held := make(chan struct{})
	proxy.AfterNext("w499", func() { <-held })
	done := make(chan string, 1)
	go func() {
		reply, err := p.RunBulk(t.Context(), bulk())
		assert.NoError(t, err)
		done <- reply.Value
	}()
	require.Eventually(t, func() bool { return p.bulk.common[0].hasSentAll() || p.bulk.common[1].hasSentAll() }, 5*time.Second, time.Millisecond)
	for range 20 {
		_, err := p.Run(t.Context(), say(echo, "k", "v"))
		require.NoError(t, err)
	}
	close(held)
	assert.Equal(t, want, <-done)
}
