package hazards_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/mutex"
)

// An acquire writes the key, and a release of what is held writes its memory. So if the
// server has executed no other SET since the loss, nobody has made the key again, not
// even for a moment.
func TestHazard11_AKeyThatIsGoneIsALockLostAtTheNextRefresh(t *testing.T) {
	t.Parallel()
	const interval = time.Second
	faults := map[string]struct {
		loses func(t *testing.T, s store, victim string)
		all   bool // not only the victim's
	}{
		"the server is restarted, empty": {func(_ *testing.T, s store, _ string) { s.Restart() }, true},
		"the server is flushed": {func(t *testing.T, s store, _ string) {
			require.NoError(t, s.direct.FlushAll(t.Context()).Err())
		}, true},
		"the key is deleted": {func(t *testing.T, s store, victim string) {
			require.NoError(t, s.direct.Del(t.Context(), "dmutex:"+victim).Err())
		}, false},
	}
	for name, fault := range faults {
		for _, n := range []int{1, 50} {
			t.Run(fmt.Sprintf("%s, one of %d", name, n), func(t *testing.T) {
				t.Parallel()
				s := newStore(t)
				b := newTries(s.process(t))
				var all []*contender
				for i := range n {
					all = append(all, contend(t, b, fmt.Sprint("k", i), mutex.Config{TTL: long, RefreshInterval: interval}))
				}
				for _, one := range all {
					one.enters(t, patience)
				}
				if n > 1 {
					eventually(t, func() bool { return b.most() > 1 }, "leases are refreshed together")
				}

				fault.loses(t, s, all[0].key)
				began, written := time.Now(), s.ran(t, "set")
				lost, kept := all[:1], all[1:]
				if fault.all {
					lost, kept = all, nil
				}
				for _, one := range lost {
					// The work fails with the cause of its context's end.
					loss := lossOf(t, one.gone(t, patience))
					assert.Equal(t, mutex.Gone, loss.Reason)
					assert.Equal(t, one.key, loss.Key)
					assert.Equal(t, one.token, loss.Token)
					assert.Equal(t, 1, one.seen(mutex.Lost))
				}
				assert.Less(t, time.Since(began), interval+10*little, "that was not the next refresh")
				assert.Equal(t, written, s.ran(t, "set"), "somebody wrote a key")
				for _, one := range kept {
					one.letsGo(t)
				}
				assert.Equal(t, written+len(kept), s.ran(t, "set"), "somebody wrote a key")
				s.assertFree(t)
			})
		}
	}
}
