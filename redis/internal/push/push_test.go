package push

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

func TestOneConnectionServesAllLocks(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c := s.Client(t)
	e := newListener(c)
	for n := range 100 {
		require.Equal(t, "push:me", e.mustListen(t, strconv.Itoa(n)))
	}
	assert.True(t, e.isReady("never asked for"))
	assert.Len(t, subscribers(t, c), 1)
	assertReceives(t, e, c.Publish(t.Context(), "push:me", "a word\r\nof \x00 any bytes"))
	assertReceives(t, e, c.Publish(t.Context(), "push:me", ""))
	assert.Empty(t, e.gaps)
}

func TestAllWhoListenAtOnceShareOneSubscribe(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c := s.Client(t)
	e := newListener(c)
	var all sync.WaitGroup
	for n := range 100 {
		all.Go(func() {
			_, err := e.Listen(t.Context(), strconv.Itoa(n))
			assert.NoError(t, err)
		})
	}
	all.Wait()
	assert.Equal(t, 1, asked(t, c, "subscribe"))
	assert.Zero(t, asked(t, c, "ping"))
	assert.Len(t, subscribers(t, c), 1)
}

func TestListenReturnsNoSoonerThanTheServerConfirms(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	direct := s.Client(t)
	p := redistest.NewProxy(t, s.Addr())
	c := goredis.NewClient(&goredis.Options{Addr: p.Addr(), OnConnect: func(context.Context, *goredis.Conn) error {
		p.CutReplies() // the handshake's have all passed
		return nil
	}})
	defer c.Close()
	e := newListener(c)
	e.confirmWithin = 3 * time.Second
	began := time.Now()
	channel, err := e.Listen(t.Context(), "k")
	require.ErrorIs(t, err, errUnconfirmed)
	assert.Equal(t, "redis: SUBSCRIBE push:me: no confirmation within 1s", err.Error())
	assert.Empty(t, channel)
	assert.False(t, e.isReady("k"))
	assert.InDelta(t, e.confirmWithin, time.Since(began), float64(500*time.Millisecond))
	assert.Equal(t, 1, asked(t, direct, "subscribe"))
	assert.Empty(t, e.gaps, "nothing was confirmed, so nothing was missed")
	require.Eventually(t, func() bool { return len(subscribers(t, direct)) == 0 }, ages, time.Millisecond)
}

func TestRefusedSubscriptionFailsAtOnceAndIsTriedSeldom(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	admin := s.Client(t)
	ctx := t.Context()
	require.NoError(t, admin.Do(ctx, "ACL", "SETUSER", "worker", "on", ">pw", "resetchannels", "~*", "+@all").Err())
	c := goredis.NewClient(&goredis.Options{Addr: s.Addr(), Username: "worker", Password: "pw"})
	defer c.Close()
	e := newListener(c)
	e.AddWaiters(1)
	defer e.AddWaiters(-1)

	began := time.Now()
	tries := 0
	for ; time.Since(began) < time.Second; tries++ {
		_, err := e.Listen(ctx, "k")
		var refused goredis.Error
		require.ErrorAs(t, err, &refused)
		require.ErrorContains(t, err, "redis: SUBSCRIBE push:me: NOPERM")
		require.False(t, e.isReady("k"))
	}
	assert.Greater(t, tries, 1000, "a failure stands without a wait")
	sent := asked(t, admin, "subscribe")
	assert.GreaterOrEqual(t, sent, 2, "it is tried again")
	assert.LessOrEqual(t, sent, 4, "at 0, 100, 300 and 700 ms")
	require.Eventually(t, func() bool { return connections(t, admin) == 1 }, ages, time.Millisecond, "the admin's")

	require.NoError(t, admin.Do(ctx, "ACL", "SETUSER", "worker", "&push:*").Err())
	assertReceives(t, e, admin.Publish(ctx, e.listenAgain(t, "k"), "allowed now"))
	assert.Len(t, subscribers(t, admin), 1)
	assert.LessOrEqual(t, connections(t, admin), 2, "the admin's and the subscription")
}

func TestListenFailsWithTheReason(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args    []string
		options goredis.Options
		want    string
	}{
		"no password":    {[]string{"--requirepass", "secret"}, goredis.Options{}, "NOAUTH"},
		"wrong password": {[]string{"--requirepass", "secret"}, goredis.Options{Password: "guess"}, "WRONGPASS"},
		"no command":     {[]string{"--rename-command", "SUBSCRIBE", ""}, goredis.Options{}, "ERR unknown command"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, test.args...)
			test.options.Addr = s.Addr()
			c := goredis.NewClient(&test.options)
			defer c.Close()
			_, err := newListener(c).Listen(t.Context(), "k")
			require.ErrorContains(t, err, "redis: SUBSCRIBE push:me: ")
			require.ErrorContains(t, err, test.want)
			assert.NotContains(t, err.Error(), "secret")
			assert.NotContains(t, err.Error(), "guess")
		})
	}
}

func TestRingIsRefused(t *testing.T) {
	t.Parallel()
	ring := goredis.NewRing(&goredis.RingOptions{Addrs: map[string]string{"one": "127.0.0.1:1"}})
	defer ring.Close()
	_, err := newListener(ring).Listen(t.Context(), "k")
	require.ErrorIs(t, err, errRing)
}

func TestListenIsBoundedByItsContextWhileOthersWaitOn(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c := s.Client(t)
	e := newListener(c)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := e.Listen(ended, "k")
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, unsubscribed, e.channels[0].status, "nothing is begun for a context that has ended")

	s.Freeze()
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = e.Listen(short, "k")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	s.Thaw()
	e.mustListen(t, "k")
	assert.Equal(t, 1, asked(t, c, "subscribe"), "the attempt was not given up with its first caller")
}

func TestUnusedSubscriptionIsClosed(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c := s.Client(t)
	e := newListener(c)
	e.idle = 250 * time.Millisecond
	closed := func() bool { return len(subscribers(t, c)) == 0 }

	e.AddWaiters(2)
	e.mustListen(t, "k")
	e.AddWaiters(-1)
	time.Sleep(2 * e.idle)
	require.True(t, e.isReady("k"), "there is a waiter")
	require.False(t, closed())

	e.AddWaiters(-1)
	e.AddWaiters(1)
	time.Sleep(2 * e.idle)
	require.True(t, e.isReady("k"), "the next came soon enough")

	e.AddWaiters(-1)
	require.Eventually(t, closed, ages, time.Millisecond)
	require.False(t, e.isReady("k"))
	assert.Empty(t, e.gaps, "no waiter missed anything")
	assert.Equal(t, 1, asked(t, c, "subscribe"))

	e.listenAgain(t, "k")
	require.Eventually(t, closed, ages, time.Millisecond, "listening alone is no use")
}

func TestClosedClientEndsTheSubscription(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c := s.Client(t)
	e := newListener(c)
	e.AddWaiters(1)
	e.mustListen(t, "k")
	require.NoError(t, c.Close())
	e.awaitGap(t)
	failed := func() (*attempt, bool) {
		e.mu.Lock()
		defer e.mu.Unlock()
		ch := e.channels[0]
		return ch.attempt, ch.status == unsubscribed && e.servers[""].status == stopped && errors.Is(ch.backoff.err, goredis.ErrClosed)
	}
	require.Eventually(t, func() bool { _, ok := failed(); return ok }, ages, time.Millisecond)
	last, _ := failed()
	time.Sleep(3 * firstPause)
	now, _ := failed()
	assert.Same(t, last, now, "a closed client is not tried again")
	assert.Empty(t, e.gaps)
}

func TestClientClosedDuringTheHandshakeLeavesNoConnection(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	direct := s.Client(t)
	var c *goredis.Client
	c = goredis.NewClient(&goredis.Options{Addr: s.Addr(), OnConnect: func(context.Context, *goredis.Conn) error {
		return c.Close()
	}})
	e := newListener(c)
	e.AddWaiters(1)
	_, err := e.Listen(t.Context(), "k")
	require.ErrorIs(t, err, goredis.ErrClosed)
	require.Eventually(t, func() bool { return len(subscribers(t, direct)) == 0 }, ages, time.Millisecond)
}
