package hazards_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// A waiter asks every 1.5 s whatever it hears.
func TestHazard23_AMessageThatIsLostCostsNoMoreThanTheBound(t *testing.T) {
	t.Parallel()
	for name, loses := range map[string]func(network *redistest.Proxy){
		"by itself":             func(p *redistest.Proxy) { p.DropNotifications(func() bool { return true }) },
		"with the subscription": (*redistest.Proxy).Cut,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, network, holder, waiter := told(t)
			loses(network)
			holder.letsGo(t)
			waiter.enters(t, bound+little)
			waiter.letsGo(t)
		})
	}
}

// One whose subscription breaks, or is there again, may have missed something, and asks at
// once.
func TestHazard23_AReleaseDuringAReconnectionIsNotMissed(t *testing.T) {
	t.Parallel()
	s, network, holder, waiter := told(t)
	network.Cut()
	network.Reset()
	s.awaitListeners(t, 0)
	holder.letsGo(t)
	left := s.ttl(t, key) // the waiter may have asked already
	require.False(t, 0 < left && left <= bound, "it is reserved for one that cannot be woken, for %v", left)
	network.Heal()
	waiter.enters(t, little)
	waiter.letsGo(t)
}

// Those behind a waiter who was not told lose no more by it than that waiter.
func TestHazard23_ALostMessageAfterAHandoverBoundsTheNextAsWell(t *testing.T) {
	t.Parallel()
	s, network, holder, waiter := told(t)
	var lost atomic.Bool
	network.DropNotifications(func() bool { lost.Store(true); return true })
	heard := s.listenIn(t)
	next := contend(t, s.process(t), key, mutex.Config{TTL: long})
	s.awaitQueue(t, 2)
	began := time.Now()
	holder.letsGo(t)
	waiter.enters(t, bound+little)
	assert.True(t, lost.Load())
	assert.Equal(t, 1, heard.wakeUps(t))
	waiter.letsGo(t)
	next.enters(t, little)
	next.letsGo(t)
	assert.Less(t, time.Since(began), bound+2*little)
}

// The release comes just after the waiter has asked again, and its message is lost. The
// lock is reserved for it for 2 s; it asks before that, and does not lose its place.
func TestHazard23_AMessageThatIsLostJustAfterTheWaiterAskedCostsNoPlace(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	holder := contend(t, s.process(t), key, mutex.Config{TTL: long})
	holder.enters(t, patience)
	commands, news := redistest.NewProxy(t, s.Addr()), redistest.NewProxy(t, s.Addr())
	commands.Delay(200 * time.Millisecond)
	waiter := contend(t, redis.New(forked{client(t, commands.Addr()), client(t, news.Addr())}), key, mutex.Config{TTL: long})
	s.awaitQueue(t, 1)
	news.DropNotifications(func() bool { return true })
	waiter.waits(t)
	asked := s.ran(t, "zscore")
	eventually(t, func() bool { return s.ran(t, "zscore") > asked }, "it asks again")
	next := contend(t, s.process(t), key, mutex.Config{TTL: long})
	s.awaitQueue(t, 2)
	holder.letsGo(t)
	select {
	case <-waiter.inside:
	case <-next.inside:
		require.FailNow(t, "the one behind was first")
	case <-time.After(patience):
		require.FailNow(t, "nobody has the lock")
	}
	waiter.letsGo(t)
	next.enters(t, bound+little)
	next.letsGo(t)
}

// told is a holder, and a waiter of another process who is told when it has the
// lock through the network.
func told(t *testing.T) (store, *redistest.Proxy, *contender, *contender) {
	t.Helper()
	s := newStore(t)
	holder := contend(t, s.process(t), key, mutex.Config{TTL: long})
	holder.enters(t, patience)
	network, b := s.listener(t)
	waiter := contend(t, b, key, mutex.Config{TTL: long})
	s.awaitQueue(t, 1)
	return s, network, holder, waiter
}
