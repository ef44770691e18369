package hazards_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/mutex"
)

// A releases what is left of its lock when it goes on. By then it is B's.
func TestHazard13_ALateReleaseOfAStoppedProcessLeavesTheNextLockAlone(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	a := launch(t, orders{Addr: s.Addr(), TTL: time.Second})
	a.says("inside", patience)
	a.stop()
	b := contend(t, s.process(t), key, mutex.Config{TTL: long})
	b.enters(t, patience)

	asked := s.scripts(t)
	a.resume()
	a.says("cancelled", little)
	assert.Contains(t, a.says("ended", patience).Error, "was lost ("+mutex.Expired+")")
	assert.Greater(t, s.scripts(t), asked, "it has released nothing, so this test tests nothing")
	s.assertOf(t, b)
	b.letsGo(t)
	s.assertFree(t)
}

// As far as A's clock tells, the lease still runs: the store alone knows better.
func TestHazard13_AReleaseOfALockThatIsAnothersNowIsALoss(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	a := contend(t, s.process(t), key, mutex.Config{TTL: 10 * long})
	a.enters(t, patience)
	require.NoError(t, s.direct.Del(t.Context(), "dmutex:"+key).Err())
	b := contend(t, s.process(t), key, mutex.Config{TTL: long})
	b.enters(t, patience)

	close(a.leave)
	lost := lossOf(t, a.gone(t, patience))
	assert.Equal(t, mutex.Taken, lost.Reason)
	assert.Equal(t, a.token, lost.Token)
	assert.Equal(t, 1, a.seen(mutex.Lost))
	assert.Zero(t, a.seen(mutex.Released))
	s.assertOf(t, b)
	b.letsGo(t)
	s.assertFree(t)
}

// assertOf asserts that the lock is the holder's, for as long as it was granted.
func (s store) assertOf(t *testing.T, holder *contender) {
	t.Helper()
	left := s.ttl(t, holder.key)
	assert.LessOrEqual(t, left, long)
	assert.Greater(t, left, long-time.Since(holder.since)-little)
	id, err := s.direct.Get(t.Context(), "dmutex:"+holder.key).Result()
	require.NoError(t, err)
	assert.Equal(t, holder.holder, id)
}
