package soak_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// at is an instant so many milliseconds after the beginning.
func at(ms int) instant { return instant(time.Hour).add(time.Duration(ms) * time.Millisecond) }

// section is an attempt of process a, or b, at one key, that wanted it 10 ms before.
func section(process string, token uint64, enter, leave int, o outcome) attempt {
	return attempt{
		record:  record{Kind: tried, TTL: 1000, Token: token, Holder: token, Want: at(enter - 10), Enter: at(enter), Leave: at(leave), Done: at(leave + 1), Outcome: o},
		process: process, place: int(process[0] - 'a'),
	}
}

func lostAt(ms int, a attempt) attempt { a.Lost = at(ms); return a }
func wrote(a attempt) attempt          { a.Writing, a.Wrote = true, true; return a }
func refused(a attempt) attempt        { a.Writing, a.Refused = true, true; return a }
func killed(a attempt) attempt         { a.killed, a.Outcome, a.Writing = true, underWay, true; return a }
func wanted(ms int, a attempt) attempt { a.Want = at(ms); return a }
func done(ms int, a attempt) attempt   { a.Done = at(ms); return a }
func during(from, until int) span      { return span{at(from), at(until)} }
func deletion(ms int, token uint64) fault {
	return fault{Kind: "deleted", Place: everywhere, span: during(ms, ms+1), Holder: token, Token: token}
}

func TestAHistoryIsJudged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		faults   []fault
		stood    spans // of process a
		attempts []attempt
		counter  int
		want     string // the rule that is broken
	}{
		{name: "one after the other", attempts: []attempt{section("a", 1, 0, 50, orderly), section("b", 2, 50, 90, orderly)}},
		{name: "two at a time", attempts: []attempt{section("a", 1, 0, 50, orderly), section("b", 2, 49, 90, orderly)}, want: "two are inside"},
		{
			name:     "one within another, with a third between",
			attempts: []attempt{section("a", 1, 0, 500, orderly), section("b", 2, 510, 520, orderly), section("b", 3, 530, 540, orderly), section("a", 4, 525, 600, orderly)},
			want:     "two are inside",
		},
		{
			name:     "expired, and told so in time",
			attempts: []attempt{lostAt(900, section("a", 1, 0, 1050, expired)), section("b", 2, 1000, 1600, orderly)},
		},
		{
			name:     "expired, told so in time, and going on",
			attempts: []attempt{lostAt(900, section("a", 1, 0, 1150, expired))},
			want:     "work went on after its loss",
		},
		{
			name: "expired, told so in time, and standing still", stood: spans{during(890, 1150)},
			attempts: []attempt{lostAt(900, section("a", 1, 0, 1150, expired))},
		},
		{name: "expired, though nothing is broken", attempts: []attempt{lostAt(199_000, section("a", 1, 198_000, 199_000, expired))}, want: "it failed for no reason"},
		{name: "not answered, though nothing is broken", attempts: []attempt{section("a", 1, 198_000, 198_010, unanswered)}, want: "it failed for no reason"},
		{
			name: "expired, as the process stood still", stood: spans{during(198_100, 199_000)},
			attempts: []attempt{lostAt(199_000, section("a", 1, 198_000, 199_000, expired))},
		},
		{
			name:     "expired, and told so late",
			attempts: []attempt{lostAt(1300, section("a", 1, 0, 1500, expired)), section("b", 2, 1000, 1600, orderly)},
			want:     "two are inside",
		},
		{
			name: "expired while the process stood still", stood: spans{during(500, 1450)},
			attempts: []attempt{lostAt(1500, section("a", 1, 0, 1500, expired)), section("b", 2, 1000, 1600, orderly)},
		},
		{
			name: "not lost, though the process stood still", stood: spans{during(500, 1500)},
			attempts: []attempt{section("a", 1, 0, 1500, orderly), section("b", 2, 1000, 1600, orderly)},
			want:     "two are inside",
		},
		{
			name: "enters late with an old grant, and is told so", stood: spans{during(90, 1500)},
			attempts: []attempt{section("b", 2, 1100, 1700, orderly), wanted(80, lostAt(1510, section("a", 1, 1505, 1510, expired)))},
		},
		{
			name:     "deleted under its holder",
			faults:   []fault{deletion(200, 1)},
			attempts: []attempt{lostAt(400, section("a", 1, 0, 400, gone)), section("b", 2, 300, 600, orderly)},
		},
		{
			name:     "deleted when it was only reserved",
			faults:   []fault{{Kind: "deleted", Place: everywhere, span: during(2, 3), Holder: 2, Token: 1}},
			attempts: []attempt{section("a", 2, 5, 40, orderly)},
		},
		{
			name:     "deleted only when another was inside",
			faults:   []fault{deletion(350, 1)},
			attempts: []attempt{lostAt(400, section("a", 1, 0, 400, gone)), section("b", 2, 300, 600, orderly)},
			want:     "two are inside",
		},
		{name: "taken by another for no reason", attempts: []attempt{lostAt(40, section("a", 1, 0, 40, taken)), section("b", 2, 50, 90, orderly)}, want: "a lock was lost for no reason"},
		{name: "gone at a release that was prompt", attempts: []attempt{lostAt(41, section("a", 1, 0, 40, gone))}, want: "a lock was lost for no reason at its release"},
		{
			name:     "gone at a release that took longer than the lease",
			faults:   []fault{{Kind: "cut", Place: 0, span: during(30, 1400)}},
			attempts: []attempt{done(1500, lostAt(1500, section("a", 1, 0, 40, gone)))},
		},
		{
			name:     "deleted, and nothing noticed",
			faults:   []fault{deletion(20, 1)},
			attempts: []attempt{section("a", 1, 0, 40, orderly)},
			want:     "a loss was not noticed",
		},
		{
			name:     "deleted, and noticed late",
			faults:   []fault{deletion(20, 1)},
			attempts: []attempt{lostAt(1500, section("a", 1, 0, 1500, gone))},
			want:     "a loss was noticed late",
		},
		{
			name:     "deleted, and noticed late because of a fault",
			faults:   []fault{deletion(20, 1), {Kind: "cut", Place: 0, span: during(10, 1400)}},
			attempts: []attempt{lostAt(1500, section("a", 1, 0, 1500, gone))},
		},
		{name: "released, and held", attempts: []attempt{section("a", 1, 0, 40, kept)}, want: "a lock was released and is held"},
		{
			name:     "inside for longer than the lease though cut off",
			faults:   []fault{{Kind: "cut", Process: "a", span: during(500, 2000), begun: at(500)}},
			attempts: []attempt{section("a", 1, 0, 1800, orderly)},
			want:     "a deadline was ignored",
		},
		{
			name:     "inside for as long as the lease though cut off",
			faults:   []fault{{Kind: "cut", Process: "a", span: during(500, 2000), begun: at(500)}},
			attempts: []attempt{lostAt(1490, section("a", 1, 0, 1600, expired))},
		},
		{name: "another enters before the lease of one who is killed ends", attempts: []attempt{killed(section("a", 1, 0, 200, orderly)), section("b", 2, 100, 150, orderly)}, want: "two are inside"},
		{name: "one token twice", attempts: []attempt{section("a", 1, 0, 40, orderly), section("b", 1, 50, 90, orderly)}, want: "two have one token"},
		{name: "tokens fall", attempts: []attempt{section("a", 2, 0, 40, orderly), section("b", 1, 50, 90, orderly)}, want: "a token is not higher than the one before"},
		{
			name:     "a lost one's token is lower than one that had entered",
			attempts: []attempt{section("a", 2, 0, 40, orderly), lostAt(90, section("b", 1, 60, 90, expired))},
			want:     "a token is lower than one before",
		},
		{name: "a token was refused, and nothing said", attempts: []attempt{refused(section("a", 1, 0, 40, orderly))}, want: "a token was refused, and the lock not lost"},
		{name: "each write counted", attempts: []attempt{wrote(section("a", 1, 0, 40, orderly)), wrote(section("b", 2, 50, 90, orderly))}, counter: 2},
		{name: "a write lost", attempts: []attempt{wrote(section("a", 1, 0, 40, orderly)), wrote(section("b", 2, 50, 90, orderly))}, counter: 1, want: "updates were lost"},
		{name: "a write too many", attempts: []attempt{wrote(section("a", 1, 0, 40, orderly))}, counter: 2, want: "updates were lost"},
		{name: "killed as it wrote, and did not", attempts: []attempt{killed(section("a", 1, 0, 40, orderly))}},
		{name: "killed as it wrote, and did", attempts: []attempt{killed(section("a", 1, 0, 40, orderly))}, counter: 1},
		{
			name:     "free for long, though wanted",
			attempts: []attempt{section("a", 1, 0, 40, orderly), wanted(20, section("b", 2, 9000, 9010, orderly))},
			want:     "a key is free though somebody waits",
		},
		{
			name:     "free for long, and wanted by one who was cut off",
			faults:   []fault{{Kind: "cut", Place: 1, span: during(10, 6000)}},
			attempts: []attempt{section("a", 1, 0, 40, orderly), wanted(20, section("b", 2, 9000, 9010, orderly))},
		},
		{
			name: "free for long, wanted in vain",
			attempts: []attempt{section("a", 1, 0, 40, orderly), {
				record: record{Kind: tried, TTL: 1000, Want: at(20), Done: at(9000)}, process: "b", place: 1, killed: true,
			}},
			want: "a key is free though somebody waits",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHistory(c.faults)
			h.healed, h.finished = at(100_000), at(200_000)
			h.stood["a"], h.counters[0] = c.stood, c.counter
			for _, a := range c.attempts {
				h.add(a)
			}
			h.checkExclusion()
			h.checkTokens()
			h.checkLosses()
			h.checkFailures()
			h.checkDeadlines()
			h.checkCounters()
			h.checkGaps(&idleness{})
			var broken []string
			for _, v := range h.found {
				broken = append(broken, v.rule)
			}
			if c.want == "" {
				assert.Empty(t, h.found)
				return
			}
			assert.Contains(t, broken, c.want)
		})
	}
}

func TestLateWakeUpsAreSeenWhenAllIsHealed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		tardy int // handovers of 100 that take a second
		fails bool
	}{{"none", 0, false}, {"three", 3, false}, {"four", 4, true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHistory(nil)
			h.finished = at(1_000_000)
			for i := range 102 {
				enter := 10_000 + 2000*i
				if i > 0 && i <= c.tardy {
					enter += 990
				}
				a := section(string("ab"[i%2]), uint64(i), enter, 10_000+2000*i+1995, orderly)
				h.add(wanted(10_000+2000*i-100, a))
			}
			idle := h.checkIdleness()
			assert.Equal(t, c.tardy, idle.tardy)
			assert.Equal(t, c.fails, len(h.found) > 0, "%v", h.found)
		})
	}
}

func TestAJournalTellsWhatWasUnderWayWhenItsWriterWasKilled(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal")
	j, err := newJournal(path)
	require.NoError(t, err)
	first := record{Kind: tried, Goroutine: 3, Number: 1, Key: 7, Want: 1}
	j.lay(first)
	first.Enter, first.Leave, first.Done = 2, 3, 4
	j.add(first) // it lies on the desk as it was, besides
	j.add(record{Kind: stalled, Want: 5, Done: 6})
	second := record{Kind: tried, Goroutine: 2, Number: 1, Key: 8, Want: 7, Enter: 9, Writing: true, Token: 10}
	j.lay(second)
	require.NoError(t, j.file.Close())

	filed, open, err := readJournal(path)
	require.NoError(t, err)
	assert.Equal(t, []record{first, {Kind: stalled, Want: 5, Done: 6}}, filed)
	assert.Equal(t, []record{second}, open)
}

func TestALeakOfAHundredBytesShowsInTenMinutes(t *testing.T) {
	t.Parallel()
	grow := func(perOperation int64) memory {
		var samples []word
		for second := range int64(575) {
			done := 120 * second
			samples = append(samples, word{Operations: done, Live: 3<<20 + perOperation*done + (second%7)<<16})
		}
		return quarters(samples, func(w word) int64 { return w.Live })
	}
	assert.True(t, grow(100).leaks())
	assert.False(t, grow(0).leaks())
	assert.False(t, grow(20).leaks(), "which is within what a run may differ by")
}
