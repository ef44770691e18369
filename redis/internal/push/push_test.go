package push

import (
	"bytes"
	"context"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

func TestOneSubscriptionServesAllLocks(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c := s.Client(t)
	e := newListener(t, c)
	var all sync.WaitGroup
	for n := range 100 {
		all.Go(func() {
			channel, err := e.Listen(t.Context(), strconv.Itoa(n))
			assert.NoError(t, err)
			assert.Equal(t, "push:me", channel)
		})
	}
	all.Wait()
	assert.True(t, e.isReady("never asked for"))
	assert.Equal(t, 1, asked(t, c, "subscribe"))
	assert.Len(t, subscribers(t, c), 1)
	assertReceives(t, e, c.Publish(t.Context(), "push:me", "a word\r\nof \x00 any bytes"))
	assertReceives(t, e, c.Publish(t.Context(), "push:me", ""))
	e.awaitGaps(t, 1) // the first confirmation
}

func TestPrepareSubscribesAndDoesNotWait(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	e := newListener(t, s.Client(t))
	s.Freeze()
	e.Prepare("k") // returns, though the server does not answer
	assert.False(t, e.isReady("k"))
	s.Thaw()
	require.Eventually(t, func() bool { return e.isReady("k") }, ages, time.Millisecond)
	e.Prepare("k")
	assertReceives(t, e, s.Client(t).Publish(t.Context(), "push:me", "prepared"))
	assert.Equal(t, 1, asked(t, s.Client(t), "subscribe"))
	require.NoError(t, e.Close())
	e.Prepare("k") // does nothing
	assert.Empty(t, e.channels)
}

func TestSubscriptionThatIsNotConfirmedIsGivenUp(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	p := redistest.NewProxy(t, s.Addr())
	e := newListener(t, connect(t, &goredis.Options{Addr: p.Addr(), OnConnect: func(context.Context, *goredis.Conn) error {
		p.CutReplies() // after all replies of the handshake
		return nil
	}}))
	e.confirmWithin, e.quiet = time.Second/2, time.Second
	_, err := e.Listen(t.Context(), "k")
	require.EqualError(t, err, "redis: SUBSCRIBE push:me: no confirmation within 1s: if the server or a proxy has no pub/sub, use redis.WithoutPush")
	assert.False(t, e.isReady("k"))
	require.Eventually(t, func() bool { return asked(t, s.Client(t), "subscribe") == 1 }, ages, time.Millisecond)
	awaitNoSubscribers(t, s.Client(t))
	assert.Zero(t, e.gaps.Load(), "nothing was confirmed, so nothing was missed")
}

func TestRefusedSubscriptionFailsAtOnceAndIsTriedSeldom(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	admin := s.Client(t)
	ctx := t.Context()
	require.NoError(t, admin.Do(ctx, "ACL", "SETUSER", "worker", "on", ">pw", "resetchannels", "~*", "+@all").Err())
	e := newListener(t, connect(t, &goredis.Options{Addr: s.Addr(), Username: "worker", Password: "pw"}))
	began := time.Now()
	for asked(t, admin, "subscribe") < 4 {
		_, err := e.Listen(ctx, "k")
		var refused goredis.Error
		require.ErrorAs(t, err, &refused)
		require.ErrorContains(t, err, "redis: SUBSCRIBE push:me: NOPERM")
		require.False(t, e.isReady("k"))
	}
	assert.GreaterOrEqual(t, time.Since(began), 700*time.Millisecond, "at 0, 100, 300 and 700 ms")
	require.NoError(t, admin.Do(ctx, "ACL", "SETUSER", "worker", "&push:*").Err())
	assertReceives(t, e, admin.Publish(ctx, e.listenAgain(t, "k"), "allowed now"))
	assert.Len(t, subscribers(t, admin), 1)
	awaitNoOther(t, admin)
}

func TestUnusedSubscriptionIsClosed(t *testing.T) {
	t.Parallel()
	c := redistest.Start(t).Client(t)
	e := newListener(t, c)
	e.mu.Lock()
	e.idle, e.confirmWithin = time.Second/2, confirmLimit
	e.mu.Unlock()
	e.listenAgain(t, "k")
	before := subscribers(t, c)
	e.AddWaiters(1)
	e.AddWaiters(-1)
	time.Sleep(2 * e.idle)
	require.Equal(t, before, subscribers(t, c), "there is a waiter")
	e.AddWaiters(-1)
	e.AddWaiters(1)
	time.Sleep(2 * e.idle)
	require.Equal(t, before, subscribers(t, c), "the next came soon enough")

	e.AddWaiters(-1)
	awaitNoSubscribers(t, c)
	require.False(t, e.isReady("k"))
	e.listenAgain(t, "k")
	awaitNoSubscribers(t, c) // Listen alone does not count as use
}

func TestClosedClientEndsTheSubscription(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c := s.Client(t)
	e := newListener(t, c)
	e.mustListen(t, "k")
	require.NoError(t, c.Close())
	require.Eventually(t, func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return len(e.channels) == 0 && len(e.notifiers) == 0
	}, ages, time.Millisecond, "a closed client is not tried again")
	e.awaitGaps(t, 2)
	_, err := e.Listen(t.Context(), "k")
	require.ErrorIs(t, err, goredis.ErrClosed)
}

func TestClientClosedDuringTheHandshakeLeavesNoConnection(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	var c *goredis.Client
	c = goredis.NewClient(&goredis.Options{Addr: s.Addr(), OnConnect: func(context.Context, *goredis.Conn) error {
		return c.Close()
	}})
	_, err := newListener(t, c).Listen(t.Context(), "k")
	require.ErrorIs(t, err, goredis.ErrClosed)
	awaitNoOther(t, s.Client(t))
}

func TestRingIsRefused(t *testing.T) {
	t.Parallel()
	ring := goredis.NewRing(&goredis.RingOptions{Addrs: map[string]string{"one": "127.0.0.1:1"}})
	defer ring.Close()
	_, err := newListener(t, ring).Listen(t.Context(), "k")
	require.ErrorIs(t, err, errRing)
}

func TestSubscriptionThatIsUnheardAgainSoonIsAFailure(t *testing.T) {
	t.Parallel()
	c := redistest.Start(t).Client(t)
	e := newListener(t, c)
	e.mustListen(t, "k")
	e.Unsubscribed("k")
	require.NoError(t, e.channels["push:me"].notifier.ctx.Err(), "no probe was asked for")
	for range 5 { // the pauses are 100, 200, 400, 800 and 1600 ms
		e.listenAgain(t, "k")
		require.True(t, e.ShouldProbe("k"))
		e.Unsubscribed("k")
		require.Eventually(t, func() bool { return !e.isReady("k") }, ages, time.Millisecond)
	}
	_, err := e.Listen(t.Context(), "k")
	require.EqualError(t, err, "redis: SUBSCRIBE push:me: subscribed to a server other than the one that publishes")
	require.Eventually(t, func() bool { return e.isReady("k") }, ages, time.Millisecond, "it is tried again without being asked for")
	assertReceives(t, e, c.Publish(t.Context(), "push:me", "again"))
}

func TestProbeIsDueAfterEachConfirmationAndThenSeldom(t *testing.T) {
	t.Parallel()
	p, e, _ := behindProxy(t)
	e.probeEvery = time.Hour
	require.False(t, e.ShouldProbe("k"), "nothing is subscribed to")
	for range 3 {
		e.listenAgain(t, "k")
		assert.True(t, e.ShouldProbe("k"))
		assert.False(t, e.ShouldProbe("another lock of that channel"))
		p.Reset()
		require.Eventually(t, func() bool { return !e.isReady("k") }, ages, time.Millisecond)
	}
	e.listenAgain(t, "k")
	e.mu.Lock()
	e.channels["push:me"].probed = time.Now().Add(-e.probeEvery)
	e.mu.Unlock()
	assert.True(t, e.ShouldProbe("k"))
}

// A channel that is wanted again while its unused connection closes fails with the reason.
func TestSubscriptionThatEndsBecauseItWasUnusedSaysSo(t *testing.T) {
	t.Parallel()
	e := newListener(t, connect(t, &goredis.Options{Addr: "127.0.0.1:1"}))
	closing := &notifier{push: e.Push}
	closing.ctx, closing.end = context.WithCancelCause(e.ctx)
	e.mu.Lock()
	e.notifiers[""] = closing
	e.mu.Unlock()
	e.AddWaiters(-1)
	e.closeUnused()
	e.Prepare("k")
	require.Eventually(t, func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.channels["push:me"].notifier == closing
	}, ages, time.Millisecond)
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.notifiers, "")
	wanted := closing.channels()
	attempt := wanted[0].attempt
	e.again(context.Cause(closing.ctx), wanted...)
	assert.ErrorIs(t, context.Cause(attempt), errUnused)
}

// refusingWrites is a connection that breaks when it is used to subscribe.
type refusingWrites struct{ net.Conn }

func (c refusingWrites) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("subscribe")) {
		return 0, net.ErrClosed
	}
	return c.Conn.Write(b)
}

func TestConnectionThatBreaksBeforeItIsSubscribedIsReportedAsSuch(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	e := newListener(t, connect(t, &goredis.Options{Addr: s.Addr(), Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		return refusingWrites{c}, err
	}}))
	_, err := e.Listen(t.Context(), "k")
	require.EqualError(t, err, "redis: SUBSCRIBE push:me: the connection broke")
}
