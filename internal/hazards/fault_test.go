package hazards_test

import (
	"context"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis"
)

// site is a store, and a process that reaches it through parts that can break.
type site struct {
	store
	network *redistest.Proxy
	wire    *wire
	near    *redis.Backing
}

// wire is the dialer of the process's client.
type wire struct {
	written atomic.Int64 // how many writes have begun
	refuses atomic.Bool  // whether new connections are refused
}

func (w *wire) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if w.refuses.Load() {
		return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return wiredConn{conn.(*net.TCPConn), w}, nil
}

// wiredConn is a TCPConn to go-redis as well, which checks whether it was closed.
type wiredConn struct {
	*net.TCPConn
	wire *wire
}

func (c wiredConn) Write(b []byte) (int, error) {
	c.wire.written.Add(1)
	return c.TCPConn.Write(b)
}

// at returns a connected process of its own that reaches the store through a network. The server
// knows all scripts.
func (s store) at(o goredis.Options, opts ...redis.Option) site {
	s.t.Helper()
	s.train()
	f := site{store: s, network: redistest.NewProxy(s.t, s.Addr()), wire: &wire{}}
	o.Addr, o.Dialer = f.network.Addr(), f.wire.dial
	f.near = redis.New(s.client(o), opts...)
	connect(s.t, f.near)
	return f
}

// sends waits until the process writes something.
func (f site) sends() {
	f.t.Helper()
	before := f.wire.written.Load()
	eventually(f.t, func() bool { return f.wire.written.Load() > before }, "a request is on its way")
}

// listens makes the process subscribe: from then on its first request for a lock also asks for a
// place in the queue.
func (f site) listens() {
	f.t.Helper()
	elsewhere := f.holdKey(f.key+"elsewhere", f.process())
	listener := f.wantKey(elsewhere.key, f.near)
	eventually(f.t, func() bool { return f.queued(elsewhere.key) == 1 }, "it is subscribed")
	elsewhere.letsGo()
	listener.takesTurn()
}

// listener returns a process whose subscription alone goes through a network that breaks on
// demand.
func (s store) listener() (*redistest.Proxy, *redis.Backing) {
	s.t.Helper()
	p := redistest.NewProxy(s.t, s.Addr())
	return p, redis.New(forked{s.client(goredis.Options{}), s.client(goredis.Options{Addr: p.Addr()})})
}

// forked is a client that subscribes through another.
type forked struct {
	goredis.UniversalClient
	subscriber *goredis.Client
}

func (f forked) Subscribe(ctx context.Context, channels ...string) *goredis.PubSub {
	return f.subscriber.Subscribe(ctx, channels...)
}

// fault is a way to break the server, or the network or the client in front of it, until it is
// mended.
type fault struct {
	name  string
	begin func(f site) (mend func())
}

// The faults of the server.
var (
	frozen = fault{"the server is frozen", func(f site) func() { f.Freeze(); return f.Thaw }}
	paused = fault{"the server pauses its clients", func(f site) func() {
		require.NoError(f.t, f.direct.Do(f.t.Context(), "CLIENT", "PAUSE", 4500, "ALL").Err())
		return func() {} // the server would not answer a command to end it either
	}}
	killed    = fault{"the server is killed", func(f site) func() { f.Kill(); return f.Restart }}
	restarted = fault{"the server is restarted", func(f site) func() { f.Restart(); return func() {} }}
	flushed   = fault{"the server is flushed", func(f site) func() { f.Flush(); return func() {} }}
	deleted   = fault{"the key is deleted", func(f site) func() { f.deletes(f.key); return func() {} }}
)

// The faults of the network, and of the client.
var (
	cut     = fault{"the network is cut", func(f site) func() { f.network.Cut(); return f.network.Heal }}
	muted   = fault{"replies are held back", func(f site) func() { f.network.CutReplies(); return f.network.Heal }}
	slow    = fault{"replies are delayed", func(f site) func() { f.network.Delay(2 * short); return f.network.Heal }}
	lossy   = fault{"replies are lost", func(f site) func() { f.network.DropReplies(-1, "evalsha"); return f.network.Heal }}
	broken  = fault{"all connections break", func(f site) func() { f.network.Cut(); f.network.Reset(); return f.network.Heal }}
	refused = fault{"connections are refused", func(f site) func() {
		f.wire.refuses.Store(true)
		f.network.Reset()
		return func() { f.wire.refuses.Store(false) }
	}}
)

// outages are the faults in which a request gets no reply.
var outages = []fault{frozen, cut, muted, slow, lossy}

// each runs a test with each fault of a single server.
func each(t *testing.T, faults []fault, test func(t *testing.T, fault fault)) {
	t.Helper()
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			test(t, fault)
		})
	}
}

// deletes takes a lock from whoever has it.
func (s store) deletes(name string) {
	s.t.Helper()
	require.NoError(s.t, s.direct.Del(s.t.Context(), lockKey(name)).Err())
}
