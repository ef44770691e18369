package soak_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// attempt is a record, with what is known of its process.
type attempt struct {
	record
	process string
	place   int
	killed  bool // its process was, before it was over
}

func (a attempt) String() string {
	return fmt.Sprintf("process %s goroutine %d mode %d: %s want %.3f enter %.3f leave %.3f lost %.3f done %.3f token %d outcome %d killed %t",
		a.process, a.Goroutine, a.Mode, lockOf(a.Key), sec(a.Want), sec(a.Enter), sec(a.Leave), sec(a.Lost), sec(a.Done), a.Token, a.Outcome, a.killed)
}

func sec(i instant) float64 { return float64(i) / 1e9 }

// inside is when it was inside, as far as a lock can tell: until the work ended, or
// its context did.
func (a attempt) inside() span {
	until := a.Leave
	if a.Lost != 0 {
		until = min(until, a.Lost)
	}
	return span{a.Enter, max(until, a.Enter)}
}

// history is all that is known after the last process has ended.
type history struct {
	keys     map[uint16][]attempt // those that had the lock or waited for it
	stood    map[string]spans     // when a process did nothing
	sick     map[int]spans        // when a place, or the server, was in trouble
	faults   []fault
	deleted  map[claimant][]fault
	counters map[uint16]int // at the end
	healed   instant        // the last fault was over
	finished instant        // the processes were told to begin nothing new
	slow     spans          // when the server was, whatever the reason
	found    []violation    // what cannot be, if the lock is one
}

type violation struct{ rule, detail string }

type claimant struct {
	key    uint16
	holder uint64
}

func newHistory(faults []fault) *history {
	h := &history{
		keys: map[uint16][]attempt{}, stood: map[string]spans{}, sick: map[int]spans{}, faults: faults,
		deleted: map[claimant][]fault{}, counters: map[uint16]int{},
	}
	troubled := map[int][]span{}
	for _, f := range faults {
		switch {
		case f.Kind == "deleted" && f.Token != 0:
			of := claimant{f.Key, f.Holder}
			h.deleted[of] = append(h.deleted[of], f)
		case f.Kind != "deleted" && f.Kind != "scripts flushed":
			troubled[f.Place] = append(troubled[f.Place], f.span)
		}
	}
	for place, spans := range troubled {
		h.sick[place] = union(spans)
	}
	return h
}

func (h *history) violated(rule, format string, args ...any) {
	h.found = append(h.found, violation{rule, fmt.Sprintf(format, args...)})
}

// read takes in the journal of a process. What was under way when it was killed
// ended then.
func (h *history) read(t *testing.T, p *process) {
	t.Helper()
	filed, open, err := readJournal(p.journal)
	require.NoError(t, err)
	var still []span
	for _, f := range h.faults {
		if f.Kind == "stopped" && f.Process == p.name {
			still = append(still, f.span)
		}
	}
	for _, r := range filed {
		if r.Kind == stalled {
			still = append(still, span{r.Want, r.Done})
			continue
		}
		h.add(attempt{record: r, process: p.name, place: p.place})
	}
	h.stood[p.name] = union(still)
	for _, r := range open {
		if p.killed == 0 {
			h.violated("unfinished", "%v", attempt{record: r, process: p.name})
			continue
		}
		if r.Enter != 0 && r.Leave == 0 {
			r.Leave = max(p.killed, r.Enter)
		}
		r.Done = max(p.killed, r.Want)
		h.add(attempt{record: r, process: p.name, place: p.place, killed: true})
	}
}

// readCounters takes in what the locks guarded.
func (h *history) readCounters(t *testing.T, addr string) {
	t.Helper()
	data := newCounters(addr)
	defer data.client.Close()
	for key := range uint16(locksShared) {
		n, err := data.get(key)
		require.NoError(t, err)
		h.counters[key] = n
	}
}

// add keeps what later checks need.
func (h *history) add(a attempt) {
	if a.Enter != 0 || a.Mode.patient() {
		h.keys[a.Key] = append(h.keys[a.Key], a)
	}
}

// sections are the attempts at a key that had the lock, by when they entered.
func sections(attempts []attempt) (all []attempt) {
	for _, a := range attempts {
		if a.Enter != 0 {
			all = append(all, a)
		}
	}
	slices.SortFunc(all, func(a, b attempt) int { return cmp.Compare(a.Enter, b.Enter) })
	return all
}

// active is for how much of a span the process could do something.
func (h *history) active(process string, s span) time.Duration {
	return h.stood[process].without(s).length()
}

// deletion is the fault that deleted the lock of a section under its grant.
func (h *history) deletion(a attempt) (f fault, deleted bool) {
	for _, f := range h.deleted[claimant{a.Key, a.Holder}] {
		if a.Token <= f.Token {
			return f, true
		}
	}
	return f, false
}

// near are the faults about that time.
func (h *history) near(s span) (all []string) {
	for _, f := range h.faults {
		if f.from < s.until.add(time.Second) && s.from.add(-5*time.Second) < f.until {
			all = append(all, f.String())
		}
	}
	return all
}

// report fails the test for each violation, and shows the first of each rule.
func (h *history) report(t *testing.T) {
	t.Helper()
	const shown = 5
	broken := map[string]int{}
	for _, v := range h.found {
		if broken[v.rule]++; broken[v.rule] <= shown {
			assert.Fail(t, v.rule, "%s", v.detail)
		}
	}
	assert.Empty(t, broken, "how often each rule was broken")
}

// outcomes counts how the sections ended.
func (h *history) outcomes() (counted map[string]int) {
	names := []string{"killed", "orderly", "kept", "missed", "cancelled", "unanswered", "expired", "gone", "taken"}
	counted = map[string]int{}
	for _, attempts := range h.keys {
		for _, a := range attempts {
			if a.Enter != 0 {
				counted[names[a.Outcome]]++
			} else {
				counted["never in, "+names[a.Outcome]]++
			}
		}
	}
	return counted
}
