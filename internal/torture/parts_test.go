package torture_test

import (
	"bufio"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
)

func TestLateWakeUpsAreSeenWhenAllIsHealed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		tardy int // how many of 100 handovers take a second
		fails bool
	}{{"none", 0, false}, {"three", 3, false}, {"four", 4, true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHistory(nil)
			h.finished = ms(1_000_000)
			for i := range 102 {
				begins, entered := 10_000+2000*i, 10_000+2000*i
				if i > 0 && i <= c.tardy {
					entered += 990
				}
				h.Attempts = append(h.Attempts, holds(string("AB"[i%2]), uint64(i), begins-100, entered, begins+1995, begins+1996))
			}
			h.checkHandovers()
			assert.Equal(t, c.fails, len(h.found) > 0, "%v", h.found)
		})
	}
}

func TestAJournalHasWhatWasUnderWayWhenItsWriterWasKilled(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "p1")
	out, err := os.Create(path)
	require.NoError(t, err)
	in, err := os.Open(path)
	require.NoError(t, err)
	j := &journal{file: out}
	all, reading := records{stalls: map[string][]span{}}, reading{process: "p1", file: in, at: map[int]int{}, writes: map[int]int{}}
	first := holds("A", 5, 0, 1, 10, 12)
	asked, second := first, first
	asked.Entered, asked.Left, asked.Returned, asked.Outcome = 0, 0, 0, killed
	second.Number, second.Left, second.Returned, second.Outcome = 6, 0, 0, killed
	sent := writesTo("A", 5, 1, 1, 2, 0, false, version{})
	for _, l := range []line{{Attempt: &asked}, {Write: &sent}, {Attempt: &first}, {Attempt: &second}, {Stall: &span{1, 2}}, {Gap: &gap{"A", "k", span{3, 4}}}} {
		j.add(l)
	}
	_, err = out.WriteString(`{"Attempt":{"Proc`)
	require.NoError(t, err)
	require.NoError(t, reading.goOn(&all))
	want := records{
		Attempts: []attempt{first, second}, Writes: []write{sent}, Gaps: []gap{{"A", "k", span{3, 4}}},
		stalls: map[string][]span{"p1": {{1, 2}}},
	}
	assert.Equal(t, want, all)

	answered := writesTo("A", 5, 1, 1, 2, 3, true, version{1, 2, 3})
	_, err = out.WriteString(`ess":"B","Number":7,"Outcome":"killed"}}` + "\n")
	require.NoError(t, err)
	j.add(line{Write: &answered})
	require.NoError(t, reading.goOn(&all))
	want.Attempts = append(want.Attempts, attempt{Process: "B", Number: 7, Outcome: killed})
	want.Writes = []write{answered}
	assert.Equal(t, want, all)
	require.NoError(t, out.Close())
	require.NoError(t, in.Close())
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
	assert.False(t, grow(20).leaks(), "within the variation between runs")
}

func TestFiguresSayWhatARunHasSeen(t *testing.T) {
	t.Parallel()
	h := newHistory([]fault{on("A", killing, 50, 51), on("C", "cut", 300, 400)})
	h.Attempts = []attempt{
		holds("A", 1, 0, 1, 10, 11), holds("A", 2, 12, 13, 0, 0).but(isKilled), holds("B", 3, 20, 120, 130, 131), holds("C", 4, 125, 140, 150, 151),
		holds("C", 5, 160, 170, 290, 295).but(notified(mutex.Expired, 270)),
		holds("C", 6, 320, 330, 340, 345).but(isLost(mutex.Gone)),
		gives("B", 1, 2).but(func(a *attempt) { a.Outcome = unanswered }),
	}
	h.Writes = []write{
		writesTo("A", 1, 1, 1, 2, 3, true, version{}), writesTo("A", 2, 2, 2, 14, 0, false, version{}), writesTo("A", 1, 3, 3, 150, 151, false, version{}),
	}
	assert.Equal(t, figures{
		outcomes: map[outcome]int{done: 3, killed: 1, lost: 2, unanswered: 1}, lost: map[mutex.LossReason]int{mutex.Expired: 1, mutex.Gone: 1},
		inside: 6, killedInside: 1, handovers: 2, unprovoked: 1, overran: 1, outlasted: 1, writes: 2, stale: 1,
		longestWait: 100 * time.Millisecond, idle: 40 * time.Millisecond,
	}, h.figures())
}

func TestSharesAreEvenIfEachIsServedAsOften(t *testing.T) {
	t.Parallel()
	h := newHistory(nil)
	for i := range 10 {
		h.Attempts = append(h.Attempts, holds(string("AB"[i%2]), uint64(i), 10*i-20, 10*i, 10*i+9, 10*i+10))
	}
	even := h.shares(during(0, 100))
	assert.Equal(t, shares{turns: 10, processes: 1, clients: 1, longest: 20 * time.Millisecond, share: 20 * time.Millisecond}, even)
	h.Attempts = append(h.Attempts, gives("C", 0, 100))
	assert.InDelta(t, 2.0/3, h.shares(during(0, 100)).processes, 0.001, "C is never served")
}

func TestADeckDealsEachCardAsOftenAsItsWeightSays(t *testing.T) {
	t.Parallel()
	d := deck{weights: map[string]int{"cut": 2, "reset": 1}}
	dealt, random := map[string]int{}, rand.New(rand.NewPCG(1, 2))
	for range 30 {
		name, ok := d.deal(random, func(string) bool { return true })
		require.True(t, ok)
		dealt[name]++
	}
	assert.Equal(t, map[string]int{"cut": 20, "reset": 10}, dealt)
	for range 3 { // a card that is not possible keeps its place
		_, ok := d.deal(random, func(string) bool { return false })
		assert.False(t, ok)
	}
	for range 3 {
		name, _ := d.deal(random, func(string) bool { return true })
		dealt[name]++
	}
	assert.Equal(t, map[string]int{"cut": 22, "reset": 11}, dealt)
}

func TestATrailIsReadAsTheServerWritesIt(t *testing.T) {
	t.Parallel()
	var all [][]string
	for in := bufio.NewReader(strings.NewReader("*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n\r\n\r\n*1\r\n$4\r\nMU")); ; {
		_, words, err := redistest.ReadCommand(in)
		if err != nil {
			break
		}
		all = append(all, words)
	}
	assert.Equal(t, [][]string{{"SELECT", "0"}, {"SET", "k", "\r\n"}}, all)
}
