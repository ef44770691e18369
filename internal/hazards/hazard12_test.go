package hazards_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/mutex"
)

// When A goes on, the lock is as free as if nothing had happened: only A's own
// clock tells it that it had lost the lock.
func TestHazard12_AProcessThatWasStoppedWhileAnotherCameAndWentHasLost(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	a := launch(t, orders{Addr: s.Addr(), TTL: time.Second})
	a.says("inside", patience)
	a.stop()
	b := contend(t, s.process(t), key, mutex.Config{TTL: long})
	b.enters(t, patience)
	b.letsGo(t)
	s.assertFree(t)

	written := s.ran(t, "set")
	a.resume()
	a.says("cancelled", little)
	assert.Contains(t, a.says("ended", patience).Error, "was lost ("+mutex.Expired+")")
	assert.Equal(t, written, s.ran(t, "set"), "the key was made again")
	s.assertFree(t)
}

// A's refresh is sent in time, and arrives after B has come and gone.
func TestHazard12_ARefreshThatArrivesAfterAnotherCameAndWentRevivesNothing(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	network, distant := s.distant(t)
	g := newTries(distant)
	a := contend(t, g, key, mutex.Config{TTL: 3 * time.Second, RefreshInterval: 500 * time.Millisecond})
	a.enters(t, patience)
	g.awaitSuccess(t) // so the server knows the script of the next
	network.Cut()
	b := contend(t, s.process(t), key, mutex.Config{TTL: long})
	b.enters(t, patience)
	b.letsGo(t)

	asked, written := s.scripts(t), s.ran(t, "set")
	network.Heal()
	eventually(t, func() bool { return s.scripts(t) > asked }, "the refresh arrives")
	assert.Equal(t, mutex.Expired, lossOf(t, a.gone(t, patience)).Reason)
	assert.Equal(t, written, s.ran(t, "set"), "the key was made again")
	s.assertFree(t)
}

// The lease in the store ended early, so A's clock tells it nothing: its next
// refresh does. A fence or a queue that B left behind does not make the lock A's.
func TestHazard12_ARefreshAfterAnotherCameAndWentIsRefused(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]mutex.Config{
		"of a random id":     {TTL: long, RefreshInterval: time.Second},
		"of a configured id": {TTL: long, RefreshInterval: time.Second, HolderID: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			distant := s.process(t)
			a := contend(t, distant, key, config)
			a.enters(t, patience)
			require.NoError(t, s.direct.Del(t.Context(), "dmutex:"+key).Err())
			claim := backing.Claim{Key: key, Holder: a.holder, TTL: long}
			b := contend(t, s.process(t), key, mutex.Config{TTL: long})
			b.enters(t, patience)
			assert.Greater(t, b.token, a.token)
			b.letsGo(t)

			held, err := distant.Refresh(t.Context(), claim)
			require.NoError(t, err)
			assert.False(t, held)
			assert.Equal(t, mutex.Gone, lossOf(t, a.gone(t, time.Second+2*little)).Reason)
			s.assertFree(t)
		})
	}
}
