package redis

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// The network delivers nothing for longer, and a claimant that has left may be one that no
// release follows.
func TestDoubtIsForgottenAfterAMinuteUnlessTheClaimantWaits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		then func(l *ledger)
		kept bool
	}{
		"it has left":                            {func(*ledger) {}, false},
		"it waits":                               {func(l *ledger) { l.queues(me, "m", func() {}) }, true},
		"it was in the queue, and does not wait": {func(l *ledger) { l.passed(me, "m", true, true) }, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			l, _ := countingLedger()
			l.failed(me, true)
			c.then(l)
			time.Sleep(undoFor)
			synctest.Wait()
			assert.Equal(t, c.kept, l.entries[me] != nil, name)
		})
	}
}

// It was sent twice, and the second copy answered that the lock is not free.
func TestDoubtAboutARefusedRequestIsForgottenAfterAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, _ := countingLedger()
		l.settled(me, false, true)
		time.Sleep(undoFor - time.Nanosecond)
		assert.True(t, l.isInDoubt(me))
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		assert.Empty(t, l.entries)
	})
}

func TestPassLeavesItsNextHolderWaitingOnlyIfItDidOrIsQueued(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		waited, released, queued bool
		member                   string
		waiting                  int
	}{
		"not queued":                   {false, false, false, "", 0},
		"not queued, and it waits":     {true, false, false, "m", 1},
		"queued":                       {false, false, true, "m", 1},
		"queued, and it waits":         {true, false, true, "m", 1},
		"queued after it had released": {false, true, true, "m", 0},
		"queued after it had waited and had released": {true, true, true, "m", 0},
	} {
		l, waiting := countingLedger()
		if c.waited {
			l.queues(me, "m", func() {})
		}
		waited := l.queues(me, "m", func() {})
		assert.Equal(t, c.waited, waited, name)
		if c.released {
			l.leaves(me)
			l.gone(me)
		} else if !c.queued && !c.waited {
			l.settled(me, false, false)
			l.queues(me, "m", func() {}) // and a reply that leaves it where it is
			l.entries[me].member = ""
		}
		l.passed(me, "m", c.queued, waited)
		member := ""
		if e := l.entries[me]; e != nil {
			member = e.member
		}
		assert.Equal(t, c.member, member, name)
		assert.Equal(t, c.waiting, *waiting, name)
	}
}
