package histories_test

import (
	"testing"

	"github.com/effectlock/effectlock/mutex"
)

func TestABrokenLockIsFoundByItsHistory(t *testing.T) {
	t.Parallel()
	judgeAll(t, map[string]trial{
		"one after the other": {
			attempts: []attempt{holds("A", 5, 0, 1, 10, 12), holds("B", 7, 2, 11, 20, 21)},
		},
		"at once": {
			attempts: []attempt{holds("A", 5, 0, 1, 10, 12), holds("B", 7, 2, 9, 20, 21)},
			want:     []string{noOrder},
		},
		"one within the other": {
			attempts: []attempt{holds("A", 5, 0, 1, 30, 32), holds("B", 7, 2, 9, 20, 21)},
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
		"granted after a holder was killed": {
			attempts: []attempt{holds("A", 5, 0, 1, 0, 0).but(isKilled), holds("B", 7, 2, 101, 150, 151)},
			faults:   []fault{on("A", kill, 50, 51)},
		},
		"granted before a holder is killed": {
			attempts: []attempt{holds("A", 5, 0, 1, 0, 0).but(isKilled), holds("B", 7, 2, 49, 140, 141)},
			faults:   []fault{on("A", kill, 50, 51)},
			want:     []string{noOrder},
		},
		"granted after the lease of one who was killed later": {
			attempts: []attempt{holds("A", 5, 0, 1, 0, 0).but(isKilled), holds("B", 7, 2, 103, 140, 141)},
			faults:   []fault{on("A", kill, 150, 151)},
		},
		"all data is lost, and with it the lock": {
			attempts: []attempt{holds("A", 5, 0, 1, 60, 61).but(isLost(mutex.Gone)), holds("B", 7, 2, 40, 50, 51)},
			faults:   []fault{on("", flush, 38, 39)},
		},
		"all data is lost, and one whose lock was lost says it was not": {
			attempts: []attempt{holds("A", 5, 0, 1, 60, 61), holds("B", 7, 2, 40, 50, 51)},
			faults:   []fault{on("", flush, 38, 39)},
			want:     []string{noOrder},
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
			faults:   []fault{on("", flush, 38, 39)},
			want:     []string{noOrder},
		},
		"there is no token": {
			attempts: []attempt{holds("A", 0, 0, 1, 10, 12)},
			want:     []string{noOrder, "no token"},
		},

		"refused while another is inside": {
			attempts: []attempt{holds("A", 5, 0, 1, 10, 12), isRefused("B", 2, 3)},
		},
		"refused while another enters": {
			attempts: []attempt{holds("A", 5, 0, 4, 10, 12), isRefused("B", 2, 3)},
		},
		"refused while another lets go": {
			attempts: []attempt{holds("A", 5, 0, 1, 10, 13), isRefused("B", 11, 12)},
		},
		"refused while nobody has it": {
			attempts: []attempt{holds("A", 5, 0, 1, 10, 12), isRefused("B", 13, 14)},
			want:     []string{noOrder},
		},
		"refused before anybody came": {
			attempts: []attempt{isRefused("B", 1, 2), holds("A", 5, 3, 4, 10, 12)},
			want:     []string{noOrder},
		},
		"refused while another gives up": {
			attempts: []attempt{gives("A", 0, 14), isRefused("B", 13, 14)},
		},
		"refused after another gave up": {
			attempts: []attempt{gives("A", 0, 12), isRefused("B", 13, 14)},
			want:     []string{noOrder},
		},
		"refused after another gave up, and had no answer": {
			attempts: []attempt{gives("A", 0, 12), isRefused("B", 13, 14)},
			gaps:     []gap{{"A", "k", ms(2), ms(11)}},
		},
		"refused long after another had no answer": {
			attempts: []attempt{gives("A", 0, 12), isRefused("B", 713, 714)},
			gaps:     []gap{{"A", "k", ms(2), ms(11)}},
			want:     []string{noOrder},
		},
		"refused after an answer stayed away that another process waited for": {
			attempts: []attempt{gives("A", 0, 12), isRefused("B", 13, 14)},
			gaps:     []gap{{"C", "k", ms(2), ms(11)}},
			want:     []string{noOrder},
		},
		"refused after a holder was killed": {
			attempts: []attempt{holds("A", 5, 0, 1, 0, 0).but(isKilled), isRefused("B", 140, 141)},
			faults:   []fault{on("A", kill, 50, 51)},
		},
		"refused long after a holder was killed": {
			attempts: []attempt{holds("A", 5, 0, 1, 0, 0).but(isKilled), isRefused("B", 840, 841)},
			faults:   []fault{on("A", kill, 50, 51)},
			want:     []string{noOrder},
		},
		"refused after a waiter was killed": {
			attempts: []attempt{gives("A", 0, 0).but(isKilled), isRefused("B", 140, 141)},
			faults:   []fault{on("A", kill, 50, 51)},
		},
		"refused while a waiter was paused, that may have had it": {
			attempts: []attempt{holds("A", 9, 0, 300, 310, 312), isRefused("B", 140, 141), holds("C", 7, 190, 200, 210, 212)},
			faults:   []fault{on("A", "pause", 50, 150)},
		},
		"refused while a waiter could hear": {
			attempts: []attempt{holds("A", 9, 0, 300, 310, 312), isRefused("B", 140, 141), holds("C", 7, 190, 200, 210, 212)},
			faults:   []fault{on("D", "pause", 50, 150)},
			want:     []string{noOrder},
		},
	})
}
