package torture_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/mutex"
)

// Times of a made-up history are in milliseconds after some beginning.
func ms(n int) instant { return instant(time.Hour).add(time.Duration(n) * time.Millisecond) }

func during(from, until int) span { return span{ms(from), ms(until)} }

const leased = 100 // the length of every lease

// holds is an attempt that asks, enters, leaves and returns at these times.
func holds(process string, token uint64, called, entered, left, returned int) attempt {
	return attempt{
		Process: process, Place: int(process[0] - 'A'), Number: int(token), Key: "k", Holder: process, TTL: leased * time.Millisecond, Token: token, Outcome: done,
		Called: ms(called), Entered: ms(entered), Until: ms(entered + leased), Left: ms(left), Returned: ms(returned),
	}
}

func isRefused(process string, called, returned int) attempt {
	return attempt{Process: process, Key: "k", Mode: ifAvailable, TTL: leased * time.Millisecond, Outcome: refused, Called: ms(called), Returned: ms(returned)}
}

func gives(process string, called, returned int) attempt {
	return attempt{Process: process, Key: "k", Mode: withLockInTime, TTL: leased * time.Millisecond, Outcome: gaveUp, Called: ms(called), Returned: ms(returned)}
}

func (a attempt) but(change func(*attempt)) attempt {
	change(&a)
	return a
}

func isLost(reason mutex.LossReason) func(*attempt) {
	return func(a *attempt) { a.Outcome, a.Reason = lost, reason }
}

// notified is a loss that the work and the observer are notified of at that time.
func notified(reason mutex.LossReason, at int) func(*attempt) {
	return func(a *attempt) {
		a.Outcome, a.Reason, a.Notified, a.Cancelled, a.Lost = lost, reason, true, ms(at), ms(at)
	}
}

// isKilled removes what the process can no longer have written.
func isKilled(a *attempt) { a.Outcome, a.Left, a.Returned = killed, 0, 0 }

func long(a *attempt) { a.TTL, a.Until = time.Second, a.Entered.add(time.Second) }

func writesTo(process string, token uint64, value, count, called, returned int, accepted bool, before version) write {
	w := write{Process: process, Attempt: int(token), Key: "k", Version: version{token, value, count}, Called: ms(called), Accepted: accepted, Before: before}
	if returned != 0 {
		w.Returned = ms(returned)
	}
	return w
}

func on(process, kind string, from, until int) fault {
	if process == "" {
		return fault{Kind: kind, Place: everywhere, span: during(from, until)}
	}
	return fault{Kind: kind, Process: process, Place: int(process[0] - 'A'), span: during(from, until)}
}

// deletes is the deletion of the lock of a process.
func deletes(process string, at int, token uint64) fault {
	return fault{Kind: deleting, Place: everywhere, span: during(at, at+1), Key: "k", Holder: process, Token: token}
}

// turns returns n sections, one after another, of 10 ms each.
func turns(n int) (all []attempt) {
	for i := range n {
		all = append(all, holds("B", uint64(1000+i), 10*i, 10*i+1, 10*i+9, 10*i+10))
	}
	return all
}

// madeUp is a history, and the rules that it breaks.
type madeUp struct {
	*history
	broken []string
}

func given(attempts ...attempt) madeUp {
	m := madeUp{history: newHistory(nil)}
	m.Attempts, m.finished = attempts, ms(200_000)
	return m
}

func (m madeUp) faults(faults ...fault) madeUp {
	changed := newHistory(faults)
	m.Faults, m.sick, m.deleted = changed.Faults, changed.sick, changed.deleted
	return m
}

func (m madeUp) breaks(rules ...string) madeUp { m.broken = rules; return m }
func (m madeUp) gaps(gaps ...gap) madeUp       { m.Gaps = gaps; return m }
func (m madeUp) stood(s ...span) madeUp        { m.history.stood["A"] = s; return m } // process A
func (m madeUp) slow(s ...span) madeUp         { m.history.slow = s; return m }
func (m madeUp) healed() madeUp                { m.history.healed = ms(0); return m }

// leases says when the server ended each process's lease.
func (m madeUp) leases(of map[string]int) madeUp {
	for process, at := range of {
		m.history.leases[claimant{"k", process}] = ms(at)
	}
	return m
}

func (m madeUp) tokens(given map[uint64]int) madeUp {
	m.history.tokens = func(token uint64) instant { return ms(given[token]) }
	return m
}

// wrote says what was written to the register, and its final count; -1: unknown.
func (m madeUp) wrote(count int, writes ...write) madeUp {
	if m.Writes = writes; count >= 0 {
		m.counters["k"] = count
	}
	return m
}

func judgeAll(t *testing.T, all map[string]madeUp) {
	t.Helper()
	for name, m := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m.judge()
			var got []string
			for _, v := range m.found {
				assert.NotEmpty(t, v.detail)
				got = append(got, v.rule)
			}
			slices.Sort(got)
			slices.Sort(m.broken)
			assert.Equal(t, m.broken, got, "%v", m.found)
		})
	}
}
