package histories_test

import (
	"testing"

	"github.com/effectlock/effectlock/mutex"
)

func TestABrokenPromiseOrRegisterIsFoundByItsHistory(t *testing.T) {
	t.Parallel()
	judgeAll(t, map[string]trial{
		"work ends after its lease, and succeeds": {
			attempts: []attempt{holds("A", 5, 0, 1, 101, 102)},
			want:     []string{"success, though the work ended 0s after the lease"},
		},
		"work is not told that its lease has ended": {
			attempts: []attempt{holds("A", 5, 0, 1, 900, 902).but(isLost(mutex.Expired)).but(func(a *attempt) { a.Overdue = enoughLooks + 1 })},
			want:     []string{"the context did not end with the lease"},
		},
		"work is not told that its lease has ended, for the machine stands still": {
			attempts: []attempt{holds("A", 5, 0, 1, 900, 902).but(isLost(mutex.Expired)).but(func(a *attempt) { a.Overdue = enoughLooks + 1 })},
			faults:   []fault{on("", stall, 50, 800)},
		},
		"the lock is taken from one who has it": {
			attempts: []attempt{holds("A", 5, 0, 1, 50, 52).but(isLost(mutex.Taken))},
			want:     []string{"somebody else freed or took the lock 49ms before its lease ended"},
		},
		"the lock is gone when its lease has ended": {
			attempts: []attempt{holds("A", 5, 0, 1, 50, 101).but(isLost(mutex.Gone))},
		},
		"an error of no known kind": {
			attempts: []attempt{isRefused("A", 0, 1).but(func(a *attempt) { a.Outcome = odd })},
			want:     []string{"an error that should not be"},
		},

		"written in turn": {
			writes: []write{
				writesTo("A", 5, 1, 2, 3, true, version{}),
				writesTo("B", 7, 2, 12, 13, true, version{5, 1}),
				writesTo("A", 5, 3, 14, 15, false, version{7, 2}),
			},
			attempts: []attempt{holds("A", 5, 0, 1, 10, 12), holds("B", 7, 2, 11, 20, 21)},
		},
		"a stale write is accepted": {
			writes: []write{
				writesTo("A", 5, 1, 2, 3, true, version{}),
				writesTo("B", 7, 2, 12, 13, true, version{5, 1}),
				writesTo("A", 5, 3, 14, 15, true, version{7, 2}),
			},
			attempts: []attempt{holds("A", 5, 0, 1, 10, 12), holds("B", 7, 2, 11, 20, 21)},
			want:     []string{noOrderOfWrites},
		},
		"an unanswered stale write is accepted": {
			writes: []write{
				writesTo("B", 7, 2, 12, 13, true, version{}),
				writesTo("A", 5, 3, 14, 0, false, version{}),
				writesTo("B", 7, 4, 18, 19, true, version{5, 3}),
			},
			attempts: []attempt{holds("A", 5, 0, 1, 10, 12), holds("B", 7, 2, 11, 20, 21)},
			want:     []string{noOrderOfWrites},
		},
		"an unanswered write shows later": {
			writes: []write{
				writesTo("A", 5, 1, 2, 0, false, version{}),
				writesTo("B", 7, 2, 12, 13, true, version{5, 1}),
			},
			attempts: []attempt{holds("A", 5, 0, 1, 10, 12), holds("B", 7, 2, 11, 20, 21)},
		},
		"an unanswered write never shows": {
			writes: []write{
				writesTo("A", 5, 1, 2, 0, false, version{}),
				writesTo("B", 7, 2, 12, 13, true, version{}),
			},
			attempts: []attempt{holds("A", 5, 0, 1, 10, 12), holds("B", 7, 2, 11, 20, 21)},
		},
		"a write is gone": {
			writes: []write{
				writesTo("A", 5, 1, 2, 3, true, version{}),
				writesTo("B", 7, 2, 12, 13, true, version{}),
			},
			attempts: []attempt{holds("A", 5, 0, 1, 10, 12), holds("B", 7, 2, 11, 20, 21)},
			want:     []string{noOrderOfWrites},
		},
		"the write of one who has the lock is refused": {
			writes: []write{
				writesTo("B", 7, 2, 1, 3, true, version{}),
				writesTo("A", 5, 1, 4, 5, false, version{7, 2}),
			},
			attempts: []attempt{holds("A", 5, 0, 1, 10, 12)},
			want:     []string{"a holder's write was refused"},
		},
	})
}
