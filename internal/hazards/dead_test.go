package hazards_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A dead process receives nothing, so the server passes it over. For a stopped process the
// lock is reserved, for 2 s at most. When it continues, it asks and is queued again: it is
// inside only after the holder that came after it has released.
func TestHazard29_DeadWaitersAtTheHeadOfTheQueueAreOutlived(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ killed, stopped int }{{3, 0}, {0, 1}, {1, 2}} {
		t.Run(fmt.Sprintf("%d killed, %d stopped", c.killed, c.stopped), func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			holder := s.hold(s.process())
			killed, stopped := s.queueUp(c.killed), s.queueUp(c.stopped)
			next := s.rival()
			for _, p := range killed {
				p.Kill()
			}
			s.awaitListeners(c.stopped + 1)
			for _, p := range stopped {
				p.Stop()
			}
			holder.letsGo()
			next.enters()
			for _, p := range stopped {
				p.Continue()
			}
			for _, p := range stopped {
				p.isSilent(short)
			}
			next.letsGo()
			for range stopped { // in the order in which they return
				token := s.oneGoesInside(stopped)
				assert.Greater(t, token, next.token)
			}
		})
	}
}

// queueUp launches processes that wait in the queue, in this order.
func (s store) queueUp(n int) (all []*process) {
	s.t.Helper()
	for range n {
		p := s.launch(orders{TTL: long})
		p.says("waiting")
		all = append(all, p)
	}
	return all
}

// oneGoesInside waits until one of the processes is inside, and dismisses it. It returns its token.
func (s store) oneGoesInside(all []*process) (token uint64) {
	s.t.Helper()
	eventually(s.t, func() bool {
		for _, p := range all {
			if w, ok := p.Next(0); ok && w.Event == "inside" {
				token = w.Token
				p.dismiss()
				return true
			}
		}
		return false
	}, "one of %d is inside", len(all))
	return token
}

// A process that is stopped as soon as it is inside is a holder for its whole lease: the
// others wait for that, and its work is cancelled as soon as it continues.
func TestHazard29_AWaiterThatIsStoppedAsItIsGrantedIsCancelledWhenItGoesOn(t *testing.T) {
	t.Parallel()
	s := sharedStore(t)
	holder := s.hold(s.process())
	lost := s.launch(orders{TTL: lease})
	lost.says("waiting")
	s.awaitQueue(1)
	next := s.rival()
	holder.letsGo()
	token := lost.says("inside").Token
	lost.Stop()
	next.enters()
	assert.Greater(t, next.token, token)
	lost.Continue()
	lost.isLost()
	next.letsGo()
}
