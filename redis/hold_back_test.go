package redis_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// holdBack is a client that is slow to write its first script: it has looked at
// the context, and writes when it is told to, as go-redis may when it sets up a
// connection for the command.
type holdBack struct {
	begun   atomic.Bool
	write   chan struct{}
	written chan struct{}
}

func newHoldBack(c *goredis.Client) *holdBack {
	h := &holdBack{write: make(chan struct{}), written: make(chan struct{})}
	h.begun.Store(true)
	c.AddHook(h)
	return h
}

// next makes the next script the one that is held back.
func (h *holdBack) next() { h.begun.Store(false) }

// letGo lets the script reach the server, and returns when it is applied.
func (h *holdBack) letGo() {
	close(h.write)
	<-h.written
}

func (*holdBack) DialHook(next goredis.DialHook) goredis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (*holdBack) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return next
}

func (h *holdBack) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		if cmd.Name() != "evalsha" || !h.begun.CompareAndSwap(false, true) {
			return next(ctx, cmd)
		}
		cmd.Args() // as what writes it does, and so it may be on its way
		<-h.write
		defer close(h.written)
		return next(context.WithoutCancel(ctx), cmd)
	}
}

// fails makes a request that is not answered in time.
func fails(t *testing.T, request func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, request(ctx), context.DeadlineExceeded)
}
