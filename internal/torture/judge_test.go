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

const leased = 100 // how long

// holds is an attempt that asks, is inside and returns at these times.
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

// told is a loss that the work and the observer learn of at that time.
func told(reason mutex.LossReason, at int) func(*attempt) {
	return func(a *attempt) {
		a.Outcome, a.Reason, a.Told, a.Cancelled, a.Lost = lost, reason, true, ms(at), ms(at)
	}
}

// isKilled takes away what the attempt can no longer have told.
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

// turns are so many sections, one after the other, of which each takes 10 ms.
func turns(n int) (all []attempt) {
	for i := range n {
		all = append(all, holds("B", uint64(1000+i), 10*i, 10*i+1, 10*i+9, 10*i+10))
	}
	return all
}

func TestAHistoryIsJudged(t *testing.T) {
	t.Parallel()
	const (
		noOrder = "no order"
		noLoss  = "somebody else freed or took the lock"
		updates = "updates were lost"
		ignored = "the context did not end with the lease"
		free    = "a key is free though somebody waits"
	)
	ab := func() []attempt { return []attempt{holds("A", 5, 0, 1, 10, 12), holds("B", 7, 2, 11, 20, 21)} }
	late := func(a *attempt) { a.Overdue = enoughLooks + 1 }
	for name, c := range map[string]struct {
		attempts []attempt
		writes   []write
		faults   []fault
		gaps     []gap
		stood    spans // of process A
		slow     spans
		leases   map[claimant]instant
		tokens   map[uint64]instant
		count    int // that the register has
		healed   instant
		want     []string // the rules that are broken
	}{
		"nothing happened":    {},
		"one after the other": {attempts: ab()},
		"at once": {
			attempts: []attempt{holds("A", 5, 0, 1, 10, 12), holds("B", 7, 2, 9, 20, 21)},
			want:     []string{noOrder},
		},
		"at once in one process": {
			attempts: []attempt{holds("A", 5, 0, 1, 10, 12), holds("A", 7, 2, 9, 20, 21)},
			want:     []string{noOrder},
		},
		"one within the other": {
			attempts: []attempt{holds("A", 5, 0, 1, 30, 32), holds("B", 7, 2, 9, 20, 21)},
			want:     []string{noOrder},
		},
		"one within another, with a third between": {
			attempts: []attempt{holds("A", 1, 0, 1, 50, 51), holds("B", 2, 40, 55, 56, 57), holds("B", 3, 58, 59, 60, 61), holds("A", 4, 52, 58, 70, 71)},
			want:     []string{noOrder},
		},
		"a release frees the lock of another": {
			attempts: []attempt{
				holds("A", 5, 0, 1, 200, 202).but(isLost(mutex.Expired)), holds("B", 7, 2, 105, 230, 231).but(func(a *attempt) { a.Until = ms(400) }),
				holds("C", 9, 3, 203, 210, 211),
			},
			want: []string{noOrder},
		},
		"at once, but one had lost it": {
			attempts: []attempt{holds("A", 5, 0, 1, 200, 202).but(isLost(mutex.Expired)), holds("B", 7, 2, 105, 150, 151)},
		},
		"at once, and one lost it later": {
			attempts: []attempt{holds("A", 5, 0, 1, 200, 202).but(isLost(mutex.Expired)), holds("B", 7, 2, 95, 150, 151)},
			want:     []string{noOrder},
		},
		"not lost, though the process stood still": {
			attempts: []attempt{holds("A", 5, 0, 1, 200, 202), holds("B", 7, 2, 105, 150, 151)}, stood: spans{during(10, 190)},
			want: []string{noOrder, "success, though the work ended after the lease"},
		},
		"granted after a holder was killed": {
			attempts: []attempt{holds("A", 5, 0, 1, 0, 0).but(isKilled), holds("B", 7, 2, 101, 150, 151)},
			faults:   []fault{on("A", killing, 50, 51)},
		},
		"granted before a holder is killed": {
			attempts: []attempt{holds("A", 5, 0, 1, 0, 0).but(isKilled), holds("B", 7, 2, 49, 140, 141)},
			faults:   []fault{on("A", killing, 50, 51)},
			want:     []string{noOrder},
		},
		"granted after the lease of one that was killed later": {
			attempts: []attempt{holds("A", 5, 0, 1, 0, 0).but(isKilled), holds("B", 7, 2, 103, 140, 141)},
			faults:   []fault{on("A", killing, 150, 151)},
		},
		"a survivor has not finished": {
			attempts: []attempt{holds("A", 5, 0, 1, 0, 0).but(isKilled)},
			want:     []string{"a survivor has not finished"},
		},
		"all data is lost, and with it the lock": {
			attempts: []attempt{holds("A", 5, 0, 1, 60, 61).but(isLost(mutex.Gone)), holds("B", 7, 2, 40, 50, 51)},
			faults:   []fault{on("", flushing, 38, 39)},
		},
		"all data is lost, and one whose lock was lost says it was not": {
			attempts: []attempt{holds("A", 5, 0, 1, 60, 61), holds("B", 7, 2, 40, 50, 51)},
			faults:   []fault{on("", flushing, 38, 39)},
			want:     []string{noOrder},
		},
		"deleted under its holder": {
			attempts: []attempt{holds("A", 5, 0, 1, 60, 61).but(isLost(mutex.Gone)), holds("B", 7, 2, 40, 50, 51)},
			faults:   []fault{deletes("A", 38, 5)},
		},
		"deleted only when another was inside": {
			attempts: []attempt{holds("A", 5, 0, 1, 60, 61).but(isLost(mutex.Gone)), holds("B", 7, 2, 30, 50, 51)},
			faults:   []fault{deletes("A", 38, 5)},
			want:     []string{noOrder},
		},
		"deleted when it was only reserved": {
			attempts: []attempt{holds("A", 5, 0, 4, 60, 61)},
			faults:   []fault{deletes("A", 2, 4)},
		},
		"deleted, and nothing noticed": {
			attempts: []attempt{holds("A", 5, 0, 1, 60, 61)},
			faults:   []fault{deletes("A", 38, 5)},
			want:     []string{"a loss was not noticed"},
		},
		"deleted, and noticed late": {
			attempts: []attempt{holds("A", 5, 0, 1, 2500, 2501).but(func(a *attempt) { a.Until = ms(3000) }).but(told(mutex.Gone, 2500))},
			faults:   []fault{deletes("A", 38, 5)},
			want:     []string{"a loss was noticed late"},
		},
		"deleted, and noticed late because of a fault": {
			attempts: []attempt{holds("A", 5, 0, 1, 2500, 2501).but(func(a *attempt) { a.Until = ms(3000) }).but(told(mutex.Gone, 2500))},
			faults:   []fault{deletes("A", 38, 5), on("A", "cut", 30, 2400)},
		},
		"goes on after its loss": {
			attempts: []attempt{holds("A", 5, 0, 1, 400, 401).but(long).but(told(mutex.Expired, 100))},
			want:     []string{"work went on after its loss"},
		},
		"stands still after its loss": {
			attempts: []attempt{holds("A", 5, 0, 1, 400, 401).but(long).but(told(mutex.Expired, 100))}, stood: spans{during(110, 390)},
		},

		"a token is given twice": {
			attempts: []attempt{holds("A", 5, 0, 1, 10, 12), holds("B", 5, 2, 11, 20, 21)},
			want:     []string{noOrder},
		},
		"a token falls": {
			attempts: []attempt{holds("A", 5, 0, 1, 10, 12), holds("B", 7, 2, 11, 20, 21), holds("C", 6, 2, 22, 23, 24)},
			want:     []string{noOrder},
		},
		"a token falls when all data is lost": {
			attempts: []attempt{holds("A", 5, 0, 1, 10, 12), holds("B", 4, 2, 41, 50, 51)},
			faults:   []fault{on("", flushing, 38, 39)},
			want:     []string{noOrder},
		},
		"there is no token": {
			attempts: []attempt{holds("A", 0, 0, 1, 10, 12)},
			want:     []string{noOrder, "no token"},
		},

		"refused while another is inside": {attempts: []attempt{holds("A", 5, 0, 1, 10, 12), isRefused("B", 2, 3)}},
		"refused while another enters":    {attempts: []attempt{holds("A", 5, 0, 4, 10, 12), isRefused("B", 2, 3)}},
		"refused while another lets go":   {attempts: []attempt{holds("A", 5, 0, 1, 10, 13), isRefused("B", 11, 12)}},
		"refused while another gives up":  {attempts: []attempt{gives("A", 0, 14), isRefused("B", 13, 14)}},
		"refused while nobody has it": {
			attempts: []attempt{holds("A", 5, 0, 1, 10, 12), isRefused("B", 13, 14)},
			want:     []string{noOrder},
		},
		"refused before anybody came": {
			attempts: []attempt{isRefused("B", 1, 2), holds("A", 5, 3, 4, 10, 12)},
			want:     []string{noOrder},
		},
		"refused after another gave up": {
			attempts: []attempt{gives("A", 0, 12), isRefused("B", 13, 14)},
			want:     []string{noOrder},
		},
		"refused after another gave up, and had no answer": {
			attempts: []attempt{gives("A", 0, 12), isRefused("B", 13, 14)},
			gaps:     []gap{{"A", "k", during(2, 11)}},
		},
		"refused long after another had no answer": {
			attempts: []attempt{gives("A", 0, 12), isRefused("B", 713, 714)},
			gaps:     []gap{{"A", "k", during(2, 11)}},
			want:     []string{noOrder},
		},
		"refused after an answer stayed away that another process waited for": {
			attempts: []attempt{gives("A", 0, 12), isRefused("B", 13, 14)},
			gaps:     []gap{{"C", "k", during(2, 11)}},
			want:     []string{noOrder},
		},
		"refused after a holder was killed": {
			attempts: []attempt{holds("A", 5, 0, 1, 0, 0).but(isKilled), isRefused("B", 140, 141)},
			faults:   []fault{on("A", killing, 50, 51)},
		},
		"refused long after a holder was killed": {
			attempts: []attempt{holds("A", 5, 0, 1, 0, 0).but(isKilled), isRefused("B", 840, 841)},
			faults:   []fault{on("A", killing, 50, 51)},
			want:     []string{noOrder},
		},
		"refused after a waiter was killed": {
			attempts: []attempt{gives("A", 0, 0).but(isKilled), isRefused("B", 140, 141)},
			faults:   []fault{on("A", killing, 50, 51)},
		},
		"refused while a waiter was paused, that may have had it": {
			attempts: []attempt{holds("A", 9, 0, 300, 310, 312), isRefused("B", 140, 141), holds("C", 7, 190, 200, 210, 212)},
			faults:   []fault{on("A", "stopped", 50, 150)},
		},
		"refused while a waiter was in order": {
			attempts: []attempt{holds("A", 9, 0, 300, 310, 312), isRefused("B", 140, 141), holds("C", 7, 190, 200, 210, 212)},
			faults:   []fault{on("D", "stopped", 50, 150)},
			want:     []string{noOrder},
		},

		"work ends after its lease, and succeeds": {
			attempts: []attempt{holds("A", 5, 0, 1, 101, 102)},
			want:     []string{"success, though the work ended after the lease"},
		},
		"the context does not end with the lease": {
			attempts: []attempt{holds("A", 5, 0, 1, 900, 902).but(isLost(mutex.Expired)).but(late)},
			want:     []string{ignored},
		},
		"the context does not end with the lease, for the machine stands still": {
			attempts: []attempt{holds("A", 5, 0, 1, 900, 902).but(isLost(mutex.Expired)).but(late)}, slow: spans{during(50, 800)},
		},
		"the lock is taken from one that has it": {
			attempts: []attempt{holds("A", 5, 0, 1, 50, 52).but(isLost(mutex.Taken))},
			want:     []string{noLoss},
		},
		"the lock is gone when its lease has ended": {
			attempts: []attempt{holds("A", 5, 0, 1, 50, 101).but(isLost(mutex.Gone))},
		},
		"an error of no known kind": {
			attempts: []attempt{gives("A", 0, 1).but(func(a *attempt) { a.Outcome = odd })},
			want:     []string{"an error that should not be"},
		},
		"released, and held": {
			attempts: []attempt{holds("A", 5, 0, 1, 10, 12).but(func(a *attempt) { a.Kept = true })},
			want:     []string{"a lock was released and is held"},
		},
		"expired, though nothing is broken": {
			attempts: []attempt{holds("A", 5, 8_000, 8_001, 8_200, 8_201).but(isLost(mutex.Expired))}, healed: ms(0),
			want: []string{"it failed for no reason"},
		},
		"not answered, though nothing is broken": {
			attempts: []attempt{gives("A", 8_000, 8_201).but(func(a *attempt) { a.Outcome = unanswered })}, healed: ms(0),
			want: []string{"it failed for no reason"},
		},
		"expired, as the process stood still": {
			attempts: []attempt{holds("A", 5, 8_000, 8_001, 8_200, 8_201).but(isLost(mutex.Expired))}, healed: ms(0), stood: spans{during(8_010, 8_190)},
		},

		"over before the server ends the lease": {
			attempts: []attempt{holds("A", 5, 0, 1, 90, 91)}, leases: map[claimant]instant{{"k", "A"}: ms(91)},
		},
		"over after the server has ended the lease": {
			attempts: []attempt{holds("A", 5, 0, 1, 92, 93)}, leases: map[claimant]instant{{"k", "A"}: ms(91)},
			want: []string{"work went on when another could have the lock"},
		},
		"alive when the server has given another the lock": {
			attempts: []attempt{
				holds("A", 5, 0, 1, 92, 150).but(isLost(mutex.Expired)).but(func(a *attempt) { a.Seen = ms(92) }),
				holds("B", 7, 0, 120, 130, 131),
			},
			leases: map[claimant]instant{{"k", "A"}: ms(101), {"k", "B"}: ms(300)}, tokens: map[uint64]instant{7: ms(91)},
			want: []string{"work went on when another could have the lock"},
		},

		"written in turn": {
			attempts: ab(), count: 2,
			writes: []write{
				writesTo("A", 5, 1, 1, 2, 3, true, version{}),
				writesTo("B", 7, 2, 2, 12, 13, true, version{5, 1, 1}),
				writesTo("A", 5, 3, 2, 14, 15, false, version{7, 2, 2}),
			},
		},
		"a stale write is accepted": {
			attempts: ab(), count: 2,
			writes: []write{
				writesTo("A", 5, 1, 1, 2, 3, true, version{}),
				writesTo("B", 7, 2, 2, 12, 13, true, version{5, 1, 1}),
				writesTo("A", 5, 3, 2, 14, 15, true, version{7, 2, 2}),
			},
			want: []string{noOrder, updates, updates},
		},
		"an unanswered stale write is accepted": {
			attempts: ab(), count: 3,
			writes: []write{
				writesTo("B", 7, 2, 1, 12, 13, true, version{}),
				writesTo("A", 5, 3, 2, 14, 0, false, version{}),
				writesTo("B", 7, 4, 3, 18, 19, true, version{5, 3, 2}),
			},
			want: []string{noOrder},
		},
		"an unanswered write shows later": {
			attempts: ab(), count: 2,
			writes: []write{
				writesTo("A", 5, 1, 1, 2, 0, false, version{}),
				writesTo("B", 7, 2, 2, 12, 13, true, version{5, 1, 1}),
			},
		},
		"an unanswered write never shows": {
			attempts: ab(), count: 1,
			writes: []write{
				writesTo("A", 5, 1, 1, 2, 0, false, version{}),
				writesTo("B", 7, 2, 1, 12, 13, true, version{}),
			},
		},
		"a write is gone": {
			attempts: ab(), count: 1,
			writes: []write{
				writesTo("A", 5, 1, 1, 2, 3, true, version{}),
				writesTo("B", 7, 2, 1, 12, 13, true, version{}),
			},
			want: []string{noOrder, updates},
		},
		"an increment is overwritten by one that had read before it": {
			attempts: ab(), count: 1,
			writes: []write{
				writesTo("A", 5, 1, 1, 2, 3, true, version{}),
				writesTo("B", 7, 2, 1, 12, 13, true, version{5, 1, 1}),
			},
			want: []string{updates, updates},
		},
		"an increment that nobody made": {
			attempts: ab(), count: 2,
			writes: []write{writesTo("A", 5, 1, 1, 2, 3, true, version{})},
			want:   []string{updates},
		},
		"killed as it wrote": {
			attempts: []attempt{holds("A", 5, 0, 1, 0, 0).but(isKilled)}, faults: []fault{on("A", killing, 50, 51)}, count: 1,
			writes: []write{writesTo("A", 5, 1, 1, 2, 0, false, version{})},
		},
		"the write of one that has the lock is refused": {
			attempts: []attempt{holds("A", 5, 0, 1, 10, 12)},
			writes: []write{
				writesTo("B", 7, 2, 0, 1, 3, true, version{}),
				writesTo("A", 5, 1, 1, 4, 5, false, version{7, 2, 0}),
			},
			want: []string{"a holder's write was refused"},
		},

		"free for long, though wanted": {
			attempts: []attempt{holds("A", 5, 0, 1, 10, 12), holds("B", 7, 2, 9_000, 9_010, 9_011)},
			want:     []string{free},
		},
		"free for long, and wanted by one that was cut off": {
			attempts: []attempt{holds("A", 5, 0, 1, 10, 12), holds("B", 7, 2, 9_000, 9_010, 9_011)},
			faults:   []fault{on("B", "cut", 1, 6_000)},
		},
		"free for long, wanted in vain": {
			attempts: []attempt{holds("A", 5, 0, 1, 10, 12), gives("B", 2, 0).but(isKilled).but(func(a *attempt) { a.Mode = withLock })},
			faults:   []fault{on("B", killing, 9_000, 9_001)},
			want:     []string{free},
		},
		"passed by many": {
			attempts: append(turns(80), holds("A", 9_999, 2, 900, 905, 910)),
			want:     []string{"a waiter starves"},
		},
		"passed by many while it was cut off": {
			attempts: append(turns(80), holds("A", 9_999, 2, 900, 905, 910)),
			faults:   []fault{on("A", "cut", 1, 800)},
		},
		"passed by some": {attempts: append(turns(40), holds("A", 9_999, 2, 500, 505, 510))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHistory(c.faults)
			h.Attempts, h.Writes, h.Gaps = c.attempts, c.writes, c.gaps
			h.stood["A"], h.slow, h.healed, h.finished = c.stood, c.slow, c.healed, ms(200_000)
			h.leases, h.tokens = c.leases, func(token uint64) instant { return c.tokens[token] }
			if c.writes != nil {
				h.counters["k"] = c.count
				if name == "the write of one that has the lock is refused" {
					delete(h.counters, "k")
				}
			}
			h.judge()
			var got []string
			for _, v := range h.found {
				assert.NotEmpty(t, v.detail)
				got = append(got, v.rule)
			}
			slices.Sort(got)
			slices.Sort(c.want)
			assert.Equal(t, c.want, got, "%v", h.found)
		})
	}
}
