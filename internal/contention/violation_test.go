package contention_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/mutex"
)

func enters(holder, process string, token uint64) entry {
	return entry{Kind: enter, Process: process, Holder: holder, Token: token}
}

func leaves(holder string, value int) entry { return entry{Kind: leave, Holder: holder, Value: value} }

func dies(process string) entry { return entry{Kind: kill, Process: process} }

func done(holder string, value int) report { return report{Holder: holder, Value: value} }

func loses(holder string, reason mutex.LossReason) report {
	return report{Holder: holder, Error: "lost", Lost: reason}
}

func TestAHistoryViolatesTheRulesThatItBreaks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		journal []entry
		reports []report
		final   int
		want    []rule
	}{
		"nothing happened": {},
		"one after the other": {
			journal: []entry{enters("a", "A", 5), leaves("a", 1), enters("b", "B", 7), leaves("b", 2)},
			reports: []report{done("b", 2), done("a", 1)},
			final:   2,
		},

		"inside at once": {
			journal: []entry{enters("a", "A", 5), enters("b", "B", 7), leaves("a", 1), leaves("b", 2)},
			final:   2,
			want:    []rule{overlap},
		},
		"inside at once in one process": {
			journal: []entry{enters("a", "A", 5), enters("b", "A", 7), leaves("a", 1), leaves("b", 2)},
			final:   2,
			want:    []rule{overlap},
		},
		"one within the other": {
			journal: []entry{enters("a", "A", 5), enters("b", "B", 7), leaves("b", 1), leaves("a", 2)},
			final:   2,
			want:    []rule{overlap},
		},
		"three at once": {
			journal: []entry{
				enters("a", "A", 5), enters("b", "B", 6), enters("c", "C", 7),
				leaves("a", 1), leaves("b", 2), leaves("c", 3),
			},
			final: 3,
			want:  []rule{overlap, overlap, overlap},
		},

		"killed before it wrote": {
			journal: []entry{enters("a", "A", 5), dies("A"), enters("b", "B", 7), leaves("b", 1)},
			final:   1,
		},
		"killed after it wrote": {
			journal: []entry{enters("a", "A", 5), dies("A"), enters("b", "B", 7), leaves("b", 2)},
			final:   2,
		},
		"killed last, before it wrote": {
			journal: []entry{enters("a", "A", 5), leaves("a", 1), enters("b", "B", 7), dies("B")},
			final:   1,
		},
		"killed last, after it wrote": {
			journal: []entry{enters("a", "A", 5), leaves("a", 1), enters("b", "B", 7), dies("B")},
			final:   2,
		},
		"two killed, one after the other": {
			journal: []entry{
				enters("a", "A", 5), dies("A"), enters("b", "B", 7), dies("B"), enters("c", "C", 9), leaves("c", 3),
			},
			final: 3,
		},
		"another has left as its process is about to be killed": {
			journal: []entry{enters("a", "A", 5), dies("A"), leaves("a", 1), enters("b", "A", 7), leaves("b", 2)},
			reports: []report{done("a", 1)},
			final:   2,
		},
		"followed before it was killed": {
			journal: []entry{enters("a", "A", 5), enters("b", "B", 7), dies("A"), leaves("b", 1)},
			final:   1,
			want:    []rule{overlap},
		},
		"followed by a second though only the first was killed": {
			journal: []entry{
				enters("a", "A", 5), dies("A"), enters("b", "B", 7), enters("c", "C", 9), leaves("b", 1), leaves("c", 2),
			},
			final: 2,
			want:  []rule{overlap},
		},
		"killed, and writes though another has entered": {
			journal: []entry{enters("a", "A", 5), dies("A"), enters("b", "B", 7), leaves("a", 1), leaves("b", 2)},
			final:   2,
			want:    []rule{overlap},
		},

		"its lease expired": {
			journal: []entry{enters("a", "A", 5), enters("b", "B", 7), leaves("b", 1)},
			reports: []report{loses("a", mutex.Expired), done("b", 1)},
			final:   1,
		},
		"its lease expired, and it writes though another has entered": {
			journal: []entry{enters("a", "A", 5), enters("b", "B", 7), leaves("b", 1), leaves("a", 2)},
			reports: []report{loses("a", mutex.Expired), done("b", 1)},
			final:   2,
			want:    []rule{overlap},
		},
		"the store gave its lock away": {
			journal: []entry{enters("a", "A", 5), enters("b", "B", 7), leaves("b", 1)},
			reports: []report{loses("a", mutex.Taken), done("b", 1)},
			final:   1,
			want:    []rule{overlap, unfinished},
		},
		"the store dropped its lock": {
			journal: []entry{enters("a", "A", 5)},
			reports: []report{loses("a", mutex.Gone)},
			want:    []rule{unfinished},
		},

		"an increment is overwritten": {
			journal: []entry{enters("a", "A", 5), leaves("a", 1), enters("b", "B", 7), leaves("b", 1)},
			final:   1,
			want:    []rule{miscount},
		},
		"an increment is overwritten by one who saw an older value": {
			journal: []entry{
				enters("a", "A", 5), leaves("a", 1), enters("b", "B", 7), leaves("b", 2), enters("c", "C", 9), leaves("c", 1),
			},
			final: 1,
			want:  []rule{miscount},
		},
		"an increment that nobody made": {
			journal: []entry{enters("a", "A", 5), leaves("a", 1), enters("b", "B", 7), leaves("b", 3)},
			final:   3,
			want:    []rule{miscount},
		},
		"more increments than were killed": {
			journal: []entry{enters("a", "A", 5), dies("A"), enters("b", "B", 7), leaves("b", 3)},
			final:   3,
			want:    []rule{miscount},
		},
		"killed long ago is no excuse for a later gap": {
			journal: []entry{
				enters("a", "A", 5), dies("A"), enters("b", "B", 7), leaves("b", 1), enters("c", "C", 9), leaves("c", 3),
			},
			final: 3,
			want:  []rule{miscount},
		},
		"the last increment is overwritten": {
			journal: []entry{enters("a", "A", 5), leaves("a", 1), enters("b", "B", 7), leaves("b", 2)},
			final:   1,
			want:    []rule{miscount},
		},
		"the counter has moved by itself": {
			journal: []entry{enters("a", "A", 5), leaves("a", 1)},
			final:   2,
			want:    []rule{miscount},
		},

		"a token is given twice": {
			journal: []entry{enters("a", "A", 5), leaves("a", 1), enters("b", "B", 5), leaves("b", 2)},
			final:   2,
			want:    []rule{tokenOrder},
		},
		"a token is lower than the one before": {
			journal: []entry{enters("a", "A", 5), dies("A"), enters("b", "B", 4), leaves("b", 1)},
			final:   1,
			want:    []rule{tokenOrder},
		},
		"there is no token": {
			journal: []entry{enters("a", "A", 0), leaves("a", 1)},
			final:   1,
			want:    []rule{tokenOrder},
		},

		"a survivor never left": {
			journal: []entry{enters("a", "A", 5)},
			want:    []rule{unfinished},
		},
		"a leave without an enter": {
			journal: []entry{leaves("a", 1)},
			final:   1,
			want:    []rule{unaccountedFor},
		},
		"acknowledged, but not in the journal": {
			journal: []entry{enters("a", "A", 5), leaves("a", 1)},
			reports: []report{done("b", 2)},
			final:   1,
			want:    []rule{unaccountedFor},
		},
		"acknowledged with another value": {
			journal: []entry{enters("a", "A", 5), leaves("a", 1)},
			reports: []report{done("a", 2)},
			final:   1,
			want:    []rule{unaccountedFor},
		},
		"done, but not acknowledged": {
			journal: []entry{enters("a", "A", 5), leaves("a", 1)},
			reports: []report{loses("a", mutex.Gone)},
			final:   1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []rule
			for _, v := range (history{c.journal, c.reports, c.final}).violations() {
				assert.NotEmpty(t, v.detail)
				got = append(got, v.rule)
			}
			assert.Equal(t, c.want, got)
		})
	}
}

func TestFiguresTellKillsInsideFromOthers(t *testing.T) {
	t.Parallel()
	f := history{
		journal: []entry{
			enters("a", "A", 1), leaves("a", 1), dies("A"),
			enters("b", "B", 2), dies("C"), dies("B"),
			enters("c", "D", 3), leaves("c", 2), enters("d", "D", 4), leaves("d", 3),
		},
		reports: []report{done("a", 1), done("c", 2), loses("d", mutex.Gone), {Error: "no reply", Unanswered: true}, {Error: "?"}},
		final:   3,
	}.figures()
	assert.Equal(t, figures{
		acknowledged: 2, final: 3, kills: 3, killedInside: 1, handovers: 2,
		lost: map[mutex.LossReason]int{mutex.Gone: 1}, unanswered: 1, failed: 1,
	}, f)
}
