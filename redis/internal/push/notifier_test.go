package push

import (
	"context"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

func TestRestartOfTheServerIsAGapAndThenMessagesArriveAgain(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c, dialed := dials(t, s)
	e := newListener(t, c)
	channel := e.mustListen(t, "k")
	s.Kill()
	e.awaitGaps(t, 2) // the first confirmation, and the end
	require.False(t, e.isReady("k"))
	began, before := time.Now(), dialed.Load()
	for time.Since(began) < time.Second {
		_, err := e.Listen(t.Context(), "k")
		require.ErrorContains(t, err, "redis: SUBSCRIBE push:me: ")
	}
	assert.LessOrEqual(t, dialed.Load()-before, int64(5), "at 0, 100, 300 and 700 ms, and go-redis by itself")
	assert.EqualValues(t, 2, e.gaps.Load(), "it is not confirmed again")
	s.Restart()
	assertReceives(t, e, s.Client(t).Publish(t.Context(), channel+e.listenAgain(t, "k")[len(channel):], "again"))
	assert.Equal(t, 1, asked(t, s.Client(t), "subscribe"))
	e.awaitGaps(t, 3)
}

func TestServerThatIsDownIsTriedSeldomAndFoundAgain(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c, dialed := dials(t, s)
	s.Kill()
	e := newListener(t, c)
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

func TestResetConnectionIsReplacedByOne(t *testing.T) {
	t.Parallel()
	p, e, direct := behindProxy(t)
	channel := e.mustListen(t, "k")
	for n := range 3 {
		p.Reset()
		e.awaitGaps(t, int64(2*n+3)) // the end, and the next confirmation
		require.True(t, e.isReady("k"))
		assertReceives(t, e, direct.Publish(t.Context(), channel, strconv.Itoa(n)))
	}
	assert.Equal(t, 4, asked(t, direct, "subscribe"), "each connection was subscribed once, and no other made")
	assert.Len(t, subscribers(t, direct), 1)
}

func TestConnectionThatHasLastedIsReplacedAtOnce(t *testing.T) {
	t.Parallel()
	p, e, _ := behindProxy(t)
	e.mustListen(t, "k")
	e.mu.Lock()
	e.channels["push:me"].since = time.Now().Add(-longestPause)
	e.mu.Unlock()
	p.Reset()
	for e.gaps.Load() < 3 {
		_, err := e.Listen(t.Context(), "k") // waits, and does not fail
		require.NoError(t, err)
	}
}

func TestConnectionThatBreaksAtOnceIsNotReplacedInAHotLoop(t *testing.T) {
	t.Parallel()
	p, e, direct := behindProxy(t)
	e.mustListen(t, "k")
	for began := time.Now(); time.Since(began) < time.Second; time.Sleep(time.Millisecond) {
		if e.isReady("k") {
			p.Reset()
		}
	}
	assert.LessOrEqual(t, asked(t, direct, "subscribe"), 5, "at 0, 100, 300 and 700 ms")
}

func TestDialerThatIgnoresContextsLeavesNoConnection(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	admin := s.Client(t)
	e := newListener(t, connect(t, &goredis.Options{Addr: s.Addr(), Dialer: func(_ context.Context, network, addr string) (net.Conn, error) {
		return net.Dial(network, addr)
	}}))
	e.mustListen(t, "k")
	require.NoError(t, admin.Do(t.Context(), "CLIENT", "KILL", "TYPE", "PUBSUB").Err())
	e.awaitGaps(t, 3)
	require.True(t, e.isReady("k"))
	require.Eventually(t, func() bool { return connections(t, admin) == 2 }, ages, time.Millisecond, "the admin's and the subscription")
	assert.Len(t, subscribers(t, admin), 1)
}

func TestSilentConnectionIsFoundAndReplaced(t *testing.T) {
	t.Parallel()
	p, e, direct := behindProxy(t)
	e.quiet = 200 * time.Millisecond
	channel := e.mustListen(t, "k")
	p.Cut()
	e.awaitGaps(t, 2)
	_, err := e.Listen(t.Context(), "k")
	require.ErrorIs(t, err, errSilent)
	p.Heal()
	e.listenAgain(t, "k")
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
			e := newListener(t, connect(t, &goredis.Options{Addr: s.Addr(), Username: "worker", Password: "pw", Protocol: test.protocol}))
			e.quiet = 250 * time.Millisecond
			channel := e.mustListen(t, "k")
			before := subscribers(t, admin)
			require.Eventually(t, func() bool { return asked(t, admin, "ping") > 5 }, ages, 5*time.Millisecond)
			assert.Equal(t, before, subscribers(t, admin))
			assertReceives(t, e, admin.Publish(t.Context(), channel, "still here"))
		})
	}
}

func TestFrozenServerHoldsUpNobodyForLongAndOneConnection(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c, dialed := dials(t, s)
	s.Freeze()
	e := newListener(t, c)
	e.confirmWithin = confirmLimit
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
	t.Cleanup(serving.Wait)
	t.Cleanup(func() { _ = l.Close() })
	serve := func(c net.Conn) {
		defer c.Close()
		for request := make([]byte, 1000); ; {
			n, err := c.Read(request)
			if err != nil {
				return
			}
			reply := "-ERR unknown command\r\n"
			if strings.Contains(string(request[:n]), "subscribe") {
				reply = "*3\r\n$9\r\nsubscribe\r\n$7\r\npush:me\r\n$3\r\none\r\n" // go-redis expects a number
			}
			_, _ = c.Write([]byte(reply))
		}
	}
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { serve(c) })
		}
	})
	c := connect(t, &goredis.Options{Addr: l.Addr().String(), Protocol: 2, DisableIdentity: true})
	_, err = newListener(t, c).Listen(t.Context(), "k")
	require.ErrorContains(t, err, "redis: SUBSCRIBE push:me: redis: the client panicked: ")
}
