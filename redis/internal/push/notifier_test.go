package push

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

func TestServerThatIsDownIsTriedSeldomAndFoundAgain(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c, dialed := dials(t, s)
	e := newListener(t, c)
	e.mustListen(t, "k")
	s.Kill()
	e.awaitGaps(t, 2) // the first confirmation, and the end
	require.False(t, e.isReady("k"))
	before, refused := dialed.Load(), false
	began := time.Now()
	for dialed.Load()-before < 5 || !refused {
		_, err := e.Listen(t.Context(), "k")
		require.ErrorContains(t, err, "redis: SUBSCRIBE push:me: ")
		refused = refused || strings.Contains(err.Error(), "connection refused")
	}
	assert.GreaterOrEqual(t, time.Since(began), 300*time.Millisecond, "at 0, 100, 300 and 700 ms at the earliest")
	assert.EqualValues(t, 2, e.gaps.Load(), "it is not confirmed again")
	s.Restart()
	assertReceives(t, e, s.Client(t).Publish(t.Context(), e.listenAgain(t, "k"), "up"))
	assert.Equal(t, 1, asked(t, s.Client(t), "subscribe"))
	e.awaitGaps(t, 3)
}

func TestConnectionThatBreaksIsReplacedByOneAndNotInAHotLoop(t *testing.T) {
	t.Parallel()
	p, e, direct := behindProxy(t)
	began := time.Now()
	for n := range int64(4) {
		e.listenAgain(t, "k")
		p.Reset()
		e.awaitGaps(t, 2*n+2) // the first confirmation of each connection, and its end
	}
	assertReceives(t, e, direct.Publish(t.Context(), e.listenAgain(t, "k"), "again"))
	assert.GreaterOrEqual(t, time.Since(began), 1500*time.Millisecond, "the pauses are 100, 200, 400 and 800 ms")
	assert.Equal(t, 5, asked(t, direct, "subscribe"), "each connection was subscribed once, and no other made")
	assert.Len(t, subscribers(t, direct), 1)
}

func TestSubscriptionThatHasLastedIsReplacedAtOnce(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*redistest.Proxy, *listener){
		"when it breaks":            func(p *redistest.Proxy, _ *listener) { p.Reset() },
		"when it has no subscriber": func(_ *redistest.Proxy, e *listener) { e.ShouldProbe("k"); e.Unsubscribed("k") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, e, _ := behindProxy(t)
			e.mustListen(t, "k")
			e.mu.Lock()
			e.channels["push:me"].since = time.Now().Add(-longestPause)
			e.mu.Unlock()
			for end(p, e); e.gaps.Load() < 3; {
				_, err := e.Listen(t.Context(), "k") // waits, and does not fail
				require.NoError(t, err)
			}
		})
	}
}

func TestFrozenServerHoldsUpNobodyForLongAndOneConnection(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c, dialed := dials(t, s)
	s.Freeze()
	e := newListener(t, c)
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := e.Listen(short, "k")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	e.confirmWithin = confirmLimit
	_, err = e.Listen(t.Context(), "k")
	require.ErrorIs(t, err, errUnconfirmed)
	e.confirmWithin = ages
	_, err = e.Listen(t.Context(), "k")
	require.ErrorIs(t, err, errUnconfirmed, "it does not wait")
	assert.EqualValues(t, 1, dialed.Load(), "no second connection beside one that is being made")
	s.Thaw()
	assertReceives(t, e, s.Client(t).Publish(t.Context(), e.listenAgain(t, "k"), "up"))
	assert.Equal(t, 1, asked(t, s.Client(t), "subscribe"), "the attempt was not given up with its first caller")
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
	awaitNoOther(t, admin)
	assert.Len(t, subscribers(t, admin), 1)
}

func TestSilentConnectionIsFoundAndReplaced(t *testing.T) {
	t.Parallel()
	p, e, direct := behindProxy(t)
	e.quiet = 200 * time.Millisecond
	channel := e.mustListen(t, "k")
	p.Cut()
	e.awaitGaps(t, 2)
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
