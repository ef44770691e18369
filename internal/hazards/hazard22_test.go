package hazards_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/mutex"
)

// When the lock is released the waiter does not stand in the queue yet, and
// cannot be told. So it asks again once it is subscribed, and does not only
// hope for the next release.
func TestHazard22_AReleaseBeforeTheSubscriptionIsNotMissed(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	holder := contend(t, s.process(t), key, mutex.Config{TTL: long})
	holder.enters(t, patience)
	network, b := s.listener(t)
	network.Cut()
	asked := s.scripts(t)
	waiter := contend(t, b, key, mutex.Config{TTL: long})
	eventually(t, func() bool { return s.scripts(t) > asked }, "the waiter tries")

	holder.letsGo(t)
	require.Zero(t, s.ran(t, "subscribe"))
	require.Zero(t, s.queued(t))
	network.Heal()

	waiter.enters(t, little)
	assert.Equal(t, 1, s.ran(t, "subscribe"))
	waiter.letsGo(t)
}
