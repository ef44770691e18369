package hazards_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/mutex"
)

const rounds = 200

// The lock is on its way from a goroutine to the next when that one is cancelled.
func TestHazard27_ALockThatIsHandedToOneWhoLeavesGoesOn(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	b := s.process(t)
	for range rounds {
		handsOnToLeaver(t, b, b, b)
	}
	s.assertFree(t)
}

// The same between three processes, where messages are on their way for longer.
func TestHazard27_ALockThatTheServerGrantsToOneWhoLeavesGoesOn(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	network, leaver := s.listener(t)
	network.Delay(time.Millisecond)
	holder, next := s.process(t), s.process(t)
	for range rounds {
		handsOnToLeaver(t, holder, leaver, next)
	}
	s.assertFree(t)
}

// handsOnToLeaver has a holder let go and the next in line cancelled, both at a
// random moment: the one behind has the lock, and soon.
func handsOnToLeaver(t *testing.T, first, second, third backing.Backing) {
	t.Helper()
	holder := contend(t, first, key, mutex.Config{TTL: long})
	holder.enters(t, patience)
	leaver := contend(t, second, key, mutex.Config{TTL: long})
	leaver.waits(t)
	next := contend(t, third, key, mutex.Config{TTL: long})
	next.waits(t)

	time.AfterFunc(rand.N(2*time.Millisecond), leaver.cancel)
	time.AfterFunc(rand.N(2*time.Millisecond), func() { close(holder.leave) })

	next.enters(t, bound/2)
	assert.NoError(t, holder.gone(t, little))
	if err := leaver.gone(t, little); !errors.Is(err, context.Canceled) {
		assert.Fail(t, "not cancelled", "%v", err)
	}
	next.letsGo(t)
}

// The message that wakes the waiter is still on its way when it leaves: it does not
// know that the lock is reserved for it, and lets it go all the same.
func TestHazard27_OneWhoLeavesLetsGoOfWhatItDoesNotKnowOf(t *testing.T) {
	t.Parallel()
	s, network, holder, leaver := told(t)
	next := contend(t, s.process(t), key, mutex.Config{TTL: long})
	s.awaitQueue(t, 2)
	network.CutReplies()
	holder.letsGo(t)
	s.awaitQueue(t, 1) // the lock is reserved for the leaver, for 2 s
	leaver.cancel()
	next.enters(t, bound/2)
	assert.ErrorIs(t, leaver.gone(t, little), context.Canceled)

	network.Heal() // and the message arrives
	next.letsGo(t)
	s.assertFree(t)
}
