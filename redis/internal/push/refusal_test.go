package push

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// oneMaster is a Cluster with one master.
type oneMaster struct{ *goredis.Client }

func (o oneMaster) MasterForKey(context.Context, string) (*goredis.Client, error) {
	return o.Client, nil
}

func (o oneMaster) ReloadState(context.Context) {}

// master answers each command of its clients with what reply returns.
func master(t *testing.T, reply func(words []string) string) (addr string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			go func() {
				defer func() { _ = c.Close() }()
				for lines := bufio.NewScanner(c); lines.Scan(); {
					n, _ := strconv.Atoi(lines.Text()[1:])
					words := make([]string, n)
					for i := range words {
						lines.Scan() // its length
						lines.Scan()
						words[i] = lines.Text()
					}
					_, _ = c.Write([]byte(reply(words)))
				}
			}()
		}
	}()
	return l.Addr().String()
}

// A slot has moved, and the server says so when it is sent a PING.
func TestSubscriptionThatIsRefusedBesideAPingIsTriedAgain(t *testing.T) {
	t.Parallel()
	const pong = "*2\r\n$4\r\npong\r\n$0\r\n\r\n"
	var subscribed atomic.Int64
	silent := make(chan struct{}, 10)
	addr := master(t, func(words []string) string {
		switch strings.ToLower(words[0]) {
		case "hello":
			return "-ERR unknown command\r\n"
		case "ping":
			switch subscribed.Load() {
			case 0:
				return "+PONG\r\n"
			case 1:
				silent <- struct{}{}
				return "" // until later
			}
			return pong
		case "ssubscribe":
			if subscribed.Add(1) == 2 {
				return "-MOVED 1 127.0.0.1:1\r\n" + pong
			}
			return fmt.Sprintf("*3\r\n$10\r\nssubscribe\r\n$%d\r\n%s\r\n:1\r\n", len(words[1]), words[1])
		}
		return "+OK\r\n"
	})
	e := newListener(t, oneMaster{connect(t, &goredis.Options{Addr: addr, Protocol: 2})})
	e.quiet, e.confirmWithin = 2*time.Second, time.Second
	e.mustListen(t, "a")
	<-silent
	e.listenAgain(t, "b")
}
