package push

import (
	"context"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

// behindProxy returns a listener whose client goes through a proxy, and a client that
// goes past it.
func behindProxy(t *testing.T) (*redistest.Proxy, *listener, *goredis.Client) {
	t.Helper()
	s := redistest.Start(t)
	p := redistest.NewProxy(t, s.Addr())
	c := goredis.NewClient(&goredis.Options{Addr: p.Addr()})
	t.Cleanup(func() { _ = c.Close() })
	return p, newListener(c), s.Client(t)
}

// dials returns a client that counts its connections.
func dials(t *testing.T, s *redistest.Server) (*goredis.Client, *atomic.Int64) {
	t.Helper()
	var n atomic.Int64
	c := goredis.NewClient(&goredis.Options{
		Addr: s.Addr(),
		Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
			n.Add(1)
			var d net.Dialer
			return d.DialContext(ctx, network, addr)
		},
	})
	t.Cleanup(func() { _ = c.Close() })
	return c, &n
}

func TestRestartOfTheServerIsAGapAndThenMessagesArriveAgain(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c := s.Client(t)
	e := newListener(c)
	e.AddWaiters(1)
	defer e.AddWaiters(-1)
	channel := e.mustListen(t, "k")
	s.Kill()
	e.awaitGap(t)
	require.False(t, e.isReady("k"))
	time.Sleep(3 * firstPause)
	assert.Empty(t, e.gaps, "it is not confirmed again")
	s.Restart()
	e.awaitGap(t)
	require.True(t, e.isReady("k"))
	assertReceives(t, e, s.Client(t).Publish(t.Context(), channel, "again"))
	assert.Equal(t, 1, asked(t, s.Client(t), "subscribe"))
	assert.Empty(t, e.gaps)
}

func TestResetConnectionIsReplacedByOne(t *testing.T) {
	t.Parallel()
	p, e, direct := behindProxy(t)
	e.AddWaiters(1)
	defer e.AddWaiters(-1)
	channel := e.mustListen(t, "k")
	for n := range 3 {
		p.Reset()
		e.awaitGap(t)
		e.awaitGap(t)
		require.True(t, e.isReady("k"))
		assertReceives(t, e, direct.Publish(t.Context(), channel, strconv.Itoa(n)))
	}
	assert.Equal(t, 4, asked(t, direct, "subscribe"), "each connection was subscribed once, and no other made")
	assert.Len(t, subscribers(t, direct), 1)
}

func TestDialerThatIgnoresContextsLeavesNoConnection(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	admin := s.Client(t)
	c := goredis.NewClient(&goredis.Options{Addr: s.Addr(), Dialer: func(_ context.Context, network, addr string) (net.Conn, error) {
		return net.Dial(network, addr)
	}})
	defer c.Close()
	e := newListener(c)
	e.AddWaiters(1)
	defer e.AddWaiters(-1)
	e.mustListen(t, "k")
	require.NoError(t, admin.Do(t.Context(), "CLIENT", "KILL", "TYPE", "PUBSUB").Err())
	e.awaitGap(t)
	e.awaitGap(t)
	require.True(t, e.isReady("k"))
	require.Eventually(t, func() bool { return connections(t, admin) == 2 }, ages, time.Millisecond, "the admin's and the subscription")
	assert.Len(t, subscribers(t, admin), 1)
}

func TestConnectionThatBreaksAtOnceIsNotReplacedInAHotLoop(t *testing.T) {
	t.Parallel()
	p, e, direct := behindProxy(t)
	e.AddWaiters(1)
	defer e.AddWaiters(-1)
	e.mustListen(t, "k")
	for began := time.Now(); time.Since(began) < time.Second; time.Sleep(time.Millisecond) {
		if e.isReady("k") {
			p.Reset()
		}
	}
	assert.LessOrEqual(t, asked(t, direct, "subscribe"), 6, "at 0, 0, 100, 300 and 700 ms")
}

func TestBrokenSubscriptionStaysBrokenWhileThereAreNoWaiters(t *testing.T) {
	t.Parallel()
	p, e, direct := behindProxy(t)
	e.mustListen(t, "k")
	p.Reset()
	e.awaitGap(t)
	time.Sleep(3 * firstPause)
	require.False(t, e.isReady("k"))
	require.Equal(t, 1, asked(t, direct, "subscribe"))
	e.mustListen(t, "k")
	e.awaitGap(t)
}

func TestSilentConnectionIsFoundAndReplaced(t *testing.T) {
	t.Parallel()
	p, e, direct := behindProxy(t)
	e.quiet, e.patience = 100*time.Millisecond, 200*time.Millisecond
	e.AddWaiters(1)
	defer e.AddWaiters(-1)
	channel := e.mustListen(t, "k")
	p.Cut()
	began := time.Now()
	e.awaitGap(t)
	assert.False(t, e.isReady("k"))
	assert.GreaterOrEqual(t, time.Since(began), e.patience)
	p.Heal()
	e.awaitGap(t)
	assertReceives(t, e, direct.Publish(t.Context(), channel, "again"))
}

func TestQuietConnectionIsKeptAsLongAsItAnswers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rule     string
		protocol int
	}{
		"PONG":                {"+ping", 3},
		"PONG of RESP2":       {"+ping", 2},
		"the refusal of PING": {"-ping", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t)
			admin := s.Client(t)
			require.NoError(t, admin.Do(t.Context(), "ACL", "SETUSER", "worker", "on", ">pw", "~*", "&*", "+@all", test.rule).Err())
			c := goredis.NewClient(&goredis.Options{Addr: s.Addr(), Username: "worker", Password: "pw", Protocol: test.protocol})
			defer c.Close()
			e := newListener(c)
			e.quiet, e.patience = 20*time.Millisecond, 5*time.Second
			e.AddWaiters(1)
			defer e.AddWaiters(-1)
			channel := e.mustListen(t, "k")
			before := subscribers(t, admin)
			require.Eventually(t, func() bool { return asked(t, admin, "ping") > 5 }, ages, 5*time.Millisecond)
			assert.Equal(t, before, subscribers(t, admin))
			assert.Empty(t, e.gaps)
			assertReceives(t, e, admin.Publish(t.Context(), channel, "still here"))
		})
	}
}

func TestServerThatIsDownIsTriedSeldomAndFoundAgain(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c, dialed := dials(t, s)
	s.Kill()
	e := newListener(c)
	e.AddWaiters(1)
	defer e.AddWaiters(-1)
	for began := time.Now(); time.Since(began) < time.Second; {
		_, err := e.Listen(t.Context(), "k")
		require.ErrorContains(t, err, "connection refused")
		var refused *net.OpError
		require.ErrorAs(t, err, &refused)
	}
	assert.LessOrEqual(t, dialed.Load(), int64(4), "at 0, 100, 300 and 700 ms")
	s.Restart()
	assertReceives(t, e, s.Client(t).Publish(t.Context(), e.listenAgain(t, "k"), "up"))
}

func TestFrozenServerHoldsUpNobodyForLongAndOneConnection(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c, dialed := dials(t, s)
	s.Freeze()
	e := newListener(c)
	e.confirmWithin = confirmLimit
	e.AddWaiters(1)
	defer e.AddWaiters(-1)
	began := time.Now()
	for n := 0; time.Since(began) < 2500*time.Millisecond; n++ {
		tried := time.Now()
		_, err := e.Listen(t.Context(), "k")
		require.ErrorIs(t, err, errUnconfirmed)
		if n > 0 {
			require.Less(t, time.Since(tried), confirmLimit, "the handshake is still held up")
		}
	}
	assert.EqualValues(t, 1, dialed.Load(), "no second connection beside one that is being made")
	s.Thaw()
	assertReceives(t, e, s.Client(t).Publish(t.Context(), e.listenAgain(t, "k"), "up"))
	assert.Len(t, subscribers(t, s.Client(t)), 1)
}

func TestPanicOfTheClientIsAnError(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var serving sync.WaitGroup
	defer serving.Wait()
	defer l.Close()
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			for {
				request := make([]byte, 1000)
				n, err := c.Read(request)
				if err != nil {
					break
				}
				reply := "-ERR unknown command\r\n"
				if strings.Contains(string(request[:n]), "subscribe") {
					reply = "*3\r\n$9\r\nsubscribe\r\n$7\r\npush:me\r\n$3\r\none\r\n" // go-redis expects a number
				}
				_, _ = c.Write([]byte(reply))
			}
			_ = c.Close()
		}
	})
	c := goredis.NewClient(&goredis.Options{Addr: l.Addr().String(), Protocol: 2, DisableIdentity: true})
	defer c.Close()
	_, err = newListener(c).Listen(t.Context(), "k")
	require.ErrorContains(t, err, "redis: SUBSCRIBE push:me: redis: the client panicked: ")
}
