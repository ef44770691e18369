package hazards_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/mutex"
)

// A process that is dead receives nothing, so the server passes it over. For one that
// is stopped the lock is reserved, for 2 s at most. When it goes on, it asks, and is
// queued again: it is inside only when the one who had the lock after it has let go.
func TestHazard29_DeadWaitersAtTheHeadOfTheQueueAreOutlived(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ killed, stopped int }{{1, 0}, {3, 0}, {0, 1}, {0, 2}, {1, 1}} {
		t.Run(fmt.Sprintf("%d killed, %d stopped", c.killed, c.stopped), func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			holder := contend(t, s.process(t), key, mutex.Config{TTL: long})
			holder.enters(t, patience)
			killed, stopped := queueUp(t, s, c.killed), queueUp(t, s, c.stopped)
			next := contend(t, s.process(t), key, mutex.Config{TTL: long})
			s.awaitQueue(t, int64(c.killed+c.stopped+1))

			for _, p := range killed {
				p.kill()
			}
			s.awaitListeners(t, c.stopped+1)
			for _, p := range stopped {
				p.stop()
			}
			holder.letsGo(t)
			next.enters(t, time.Duration(c.stopped)*bound+little)

			for _, p := range stopped {
				p.resume()
			}
			for _, p := range stopped {
				p.isSilent(little / 2)
			}
			next.letsGo(t)
			for len(stopped) > 0 {
				var token uint64
				token, stopped = oneGoesInside(t, stopped)
				assert.Greater(t, token, next.token)
			}
		})
	}
}

// One that is stopped as soon as it is inside is a holder, with the whole of its lease:
// the others wait for that, and its work is cancelled as soon as it goes on.
func TestHazard29_AWaiterThatIsStoppedAsItIsGrantedIsCancelledWhenItGoesOn(t *testing.T) {
	t.Parallel()
	const ttl = 3 * time.Second
	s := newStore(t)
	holder := contend(t, s.process(t), key, mutex.Config{TTL: long})
	holder.enters(t, patience)
	lost := launch(t, orders{Addr: s.Addr(), TTL: ttl})
	lost.says("waiting", patience)
	s.awaitQueue(t, 1)
	next := contend(t, s.process(t), key, mutex.Config{TTL: long})
	s.awaitQueue(t, 2)

	holder.letsGo(t)
	token := lost.says("inside", little).Token
	lost.stop()
	next.enters(t, ttl+little)
	assert.Greater(t, next.token, token)
	lost.resume()
	lost.says("cancelled", little)
	assert.Contains(t, lost.says("ended", little).Error, mutex.Expired)
	next.letsGo(t)
}

// A client that is cut off is as good as stopped, for the server takes its
// connection for alive.
func TestHazard29_AWaiterThatIsCutOffAtTheHeadOfTheQueueIsOutlived(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	holder := contend(t, s.process(t), key, mutex.Config{TTL: long})
	holder.enters(t, patience)
	network, b := s.distant(t)
	lost := contend(t, b, key, mutex.Config{TTL: long})
	s.awaitQueue(t, 1)
	next := contend(t, s.process(t), key, mutex.Config{TTL: long})
	s.awaitQueue(t, 2)

	network.Cut()
	holder.letsGo(t)
	next.enters(t, bound+little)
	network.Heal()
	select {
	case <-lost.inside:
		require.Fail(t, "two are inside")
	case <-time.After(little / 2):
	}
	next.letsGo(t)
	lost.enters(t, bound+little)
	assert.Greater(t, lost.token, next.token)
	lost.letsGo(t)
}

// queueUp launches processes that wait in the queue, in this order.
func queueUp(t *testing.T, s store, n int) (all []*process) {
	t.Helper()
	for range n {
		p := launch(t, orders{Addr: s.Addr(), TTL: long})
		p.says("waiting", patience)
		all = append(all, p)
	}
	return all
}

// oneGoesInside waits until one of the processes is inside, and dismisses it. It
// returns its token and the others.
func oneGoesInside(t *testing.T, all []*process) (token uint64, others []*process) {
	t.Helper()
	eventually(t, func() bool {
		for i, p := range all {
			select {
			case w := <-p.words:
				require.Equal(t, "inside", w.Event)
				token, others = w.Token, slices.Delete(all, i, i+1)
				p.dismiss()
				return true
			default:
			}
		}
		return false
	}, "one of %d is inside", len(all))
	return token, others
}
