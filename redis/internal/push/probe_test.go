package push

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

// As after a failover that the connection to the old primary survives.
func TestSubscriptionThatIsUnheardIsReplacedAtOnceByOneAtTheNewAddress(t *testing.T) {
	t.Parallel()
	before, after := redistest.Start(t), redistest.Start(t)
	var addr atomic.Pointer[string]
	move := func(s *redistest.Server) { a := s.Addr(); addr.Store(&a) }
	move(before)
	e := newListener(t, connect(t, &goredis.Options{Dialer: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, *addr.Load())
	}}))
	channel := e.mustListen(t, "k")
	e.mu.Lock()
	e.channels["push:me"].since = time.Now().Add(-longestPause)
	e.mu.Unlock()
	move(after)
	require.True(t, e.ShouldProbe("k"))
	e.Unheard("k")
	for e.gaps.Load() < 3 {
		_, err := e.Listen(t.Context(), "k") // waits, and does not fail
		require.NoError(t, err)
	}
	assertReceives(t, e, after.Client(t).Publish(t.Context(), channel, "moved"))
	awaitNoSubscribers(t, before.Client(t))
	e.awaitGaps(t, 3)
}

func TestSubscriptionThatIsUnheardAgainSoonIsAFailure(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c := s.Client(t)
	e := newListener(t, c)
	e.mustListen(t, "k")
	e.Unheard("k")
	require.EqualValues(t, 1, e.gaps.Load())
	require.True(t, e.isReady("k"), "no probe was asked for")

	for range 5 { // the pauses are 100, 200, 400, 800 and 1600 ms
		e.listenAgain(t, "k")
		require.True(t, e.ShouldProbe("k"))
		e.Unheard("k")
		require.Eventually(t, func() bool { return !e.isReady("k") }, ages, time.Millisecond)
	}
	_, err := e.Listen(t.Context(), "k")
	require.EqualError(t, err, "redis: SUBSCRIBE push:me: subscribed on another server than the one that publishes")
	require.False(t, e.ShouldProbe("k"))
	awaitNoSubscribers(t, c)
	require.Eventually(t, func() bool { return e.isReady("k") }, ages, time.Millisecond, "it is tried again without being asked for")
	assertReceives(t, e, c.Publish(t.Context(), "push:me", "again"))
}

func TestProbeIsDueAfterEachConfirmationAndThenSeldom(t *testing.T) {
	t.Parallel()
	p, e, _ := behindProxy(t)
	e.probeEvery = time.Hour
	require.False(t, e.ShouldProbe("k"), "nothing is subscribed to")
	for range 2 {
		e.listenAgain(t, "k")
		assert.True(t, e.ShouldProbe("k"))
		assert.False(t, e.ShouldProbe("k"))
		assert.False(t, e.ShouldProbe("another lock of that channel"))
		p.Reset()
		require.Eventually(t, func() bool { return !e.isReady("k") }, ages, time.Millisecond)
	}
	e.listenAgain(t, "k")
	assert.True(t, e.ShouldProbe("k"))
	e.mu.Lock()
	e.probeEvery = time.Millisecond
	e.mu.Unlock()
	require.Eventually(t, func() bool { return e.ShouldProbe("k") }, ages, time.Millisecond)
}
