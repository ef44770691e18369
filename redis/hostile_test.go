package redis_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

// hostile is a server that answers every request about a lock with the same bytes, and
// everything else as a server should, so that clients get that far. It imitates a broken
// Redis, or something else on its port.
type hostile struct {
	listener net.Listener
	running  sync.WaitGroup
	reply    atomic.Pointer[string] // to scripts and GET
	keeps    atomic.Bool            // the connection stays open after such a reply
	message  atomic.Pointer[string] // follows the confirmation of a subscription

	subscribed atomic.Int64 // the number of subscriptions

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

func newHostile(t testing.TB) *hostile {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	h := &hostile{listener: l, conns: map[net.Conn]struct{}{}}
	h.answer("-ERR not yet\r\n", false)
	h.publish("")
	h.running.Go(h.accept)
	t.Cleanup(func() {
		_ = l.Close()
		h.mu.Lock()
		for c := range h.conns {
			_ = c.Close()
		}
		h.mu.Unlock()
		h.running.Wait()
	})
	return h
}

// answer sets the reply, and whether the connection stays open after it.
func (h *hostile) answer(reply string, keeps bool) {
	h.reply.Store(&reply)
	h.keeps.Store(keeps)
}

// publish sets what a subscriber receives.
func (h *hostile) publish(message string) { h.message.Store(&message) }

// client returns a client that gives up soon.
func (h *hostile) client(t testing.TB, version int) *goredis.Client {
	t.Helper()
	c := dial(t, goredis.Options{
		Addr: h.listener.Addr().String(), Protocol: version, MaxRetries: -1, DialerRetries: 1,
		ReadTimeout: time.Second, ContextTimeoutEnabled: true,
	})
	return c
}

func (h *hostile) accept() {
	for {
		c, err := h.listener.Accept()
		if err != nil {
			return
		}
		h.mu.Lock()
		h.conns[c] = struct{}{}
		h.mu.Unlock()
		h.running.Go(func() {
			h.serve(c)
			_ = c.Close()
			h.mu.Lock()
			delete(h.conns, c)
			h.mu.Unlock()
		})
	}
}

func (h *hostile) serve(c net.Conn) {
	for commands := bufio.NewReader(c); ; {
		_, words, err := redistest.ReadCommand(commands)
		if err != nil {
			return
		}
		reply, on := h.to(words)
		if _, err := io.WriteString(c, reply); err != nil || !on {
			return
		}
	}
}

// to returns the reply to a command, and whether the connection stays open.
func (h *hostile) to(words []string) (reply string, on bool) {
	switch name := strings.ToLower(words[0]); name {
	case "hello":
		if words[1] == "3" {
			return "%1\r\n$5\r\nproto\r\n:3\r\n", true
		}
		return "*2\r\n$5\r\nproto\r\n:2\r\n", true
	case "subscribe":
		h.subscribed.Add(1)
		return fmt.Sprintf("*3\r\n$9\r\nsubscribe\r\n$%d\r\n%s\r\n:1\r\n", len(words[1]), words[1]) + *h.message.Load(), true
	case "evalsha", "eval", "get":
		return *h.reply.Load(), h.keeps.Load()
	case "ping":
		return "+PONG\r\n", true
	}
	return "+OK\r\n", true
}
