package histories_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/mutex"
)

// Times of a made-up history are in milliseconds.
func ms(n int) instant { return instant(n) * instant(time.Millisecond) }

const leased = 100 // how long

// holds is an attempt that asks, is inside and returns at these times.
func holds(process string, token uint64, called, entered, left, returned int) attempt {
	return attempt{
		Process: process, Key: "k", TTL: leased * time.Millisecond, Token: token, Outcome: done,
		Called: ms(called), Entered: ms(entered), Until: ms(entered + leased), Left: ms(left), Returned: ms(returned),
	}
}

func isRefused(process string, called, returned int) attempt {
	return attempt{Process: process, Key: "k", Try: true, TTL: leased * time.Millisecond, Outcome: refused, Called: ms(called), Returned: ms(returned)}
}

func gives(process string, called, returned int) attempt {
	return attempt{Process: process, Key: "k", TTL: leased * time.Millisecond, Outcome: gaveUp, Called: ms(called), Returned: ms(returned)}
}

func (a attempt) but(change func(*attempt)) attempt {
	change(&a)
	return a
}

func isLost(reason mutex.LossReason) func(*attempt) {
	return func(a *attempt) { a.Outcome, a.Reason = lost, reason }
}

// isKilled takes away what the attempt can no longer have told.
func isKilled(a *attempt) { a.Outcome, a.Left, a.Returned = killed, 0, 0 }

func writesTo(process string, token uint64, value, called, returned int, accepted bool, before version) write {
	return write{Process: process, Key: "k", Token: token, Value: value, Called: ms(called), Returned: ms(returned), Accepted: accepted, Before: before}
}

func on(process, kind string, from, to int) fault { return fault{kind, process, ms(from), ms(to)} }

// trial is a history, and what it should be found to be.
type trial struct {
	attempts []attempt
	writes   []write
	faults   []fault
	gaps     []gap
	want     []string // the beginning or the end of each complaint
}

const (
	noOrder         = "the lock of k have no order"
	noOrderOfWrites = "the register of k have no order"
)

func judgeAll(t *testing.T, trials map[string]trial) {
	t.Helper()
	for name, c := range trials {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := history{Attempts: c.attempts, Writes: c.writes, Faults: c.faults, Gaps: c.gaps}.judge().complaints
			assert.Len(t, got, len(c.want), "%q", got)
			for i := range min(len(got), len(c.want)) {
				assert.True(t, strings.HasPrefix(got[i], c.want[i]) || strings.HasSuffix(got[i], c.want[i]), "%q is not %q", got[i], c.want[i])
			}
		})
	}
}
