package torture_test

import (
	"testing"

	"github.com/effectlock/effectlock/mutex"
)

const (
	noOrder = "no order"
	noLoss  = "somebody else freed or took the lock"
	updates = "updates were lost"
	ignored = "the context did not end with the lease"
	free    = "a key is free though somebody waits"
)

// ab are two sections, one after the other.
func ab() []attempt { return []attempt{holds("A", 5, 0, 1, 10, 12), holds("B", 7, 2, 11, 20, 21)} }

func TestALockThatDoesNotExcludeIsFoundByItsHistory(t *testing.T) {
	t.Parallel()
	judgeAll(t, map[string]madeUp{
		"nothing happened":       given(),
		"one after the other":    given(ab()...),
		"at once":                given(holds("A", 5, 0, 1, 10, 12), holds("B", 7, 2, 9, 20, 21)).breaks(noOrder),
		"at once in one process": given(holds("A", 5, 0, 1, 10, 12), holds("A", 7, 2, 9, 20, 21)).breaks(noOrder),
		"one within the other":   given(holds("A", 5, 0, 1, 30, 32), holds("B", 7, 2, 9, 20, 21)).breaks(noOrder),
		"one within another, with a third between": given(holds("A", 1, 0, 1, 50, 51), holds("B", 2, 40, 55, 56, 57), holds("B", 3, 58, 59, 60, 61), holds("A", 4, 52, 58, 70, 71)).
			breaks(noOrder),
		"a release frees the lock of another": given(holds("A", 5, 0, 1, 200, 202).but(isLost(mutex.Expired)),
			holds("B", 7, 2, 105, 230, 231).but(func(a *attempt) { a.Until = ms(400) }), holds("C", 9, 3, 203, 210, 211)).breaks(noOrder),
		"at once, but one had lost it":   given(holds("A", 5, 0, 1, 200, 202).but(isLost(mutex.Expired)), holds("B", 7, 2, 105, 150, 151)),
		"at once, and one lost it later": given(holds("A", 5, 0, 1, 200, 202).but(isLost(mutex.Expired)), holds("B", 7, 2, 95, 150, 151)).breaks(noOrder),
		"not lost, though its process stood still": given(holds("A", 5, 0, 1, 200, 202), holds("B", 7, 2, 105, 150, 151)).stood(during(10, 190)).
			breaks(noOrder, "success, though the work ended after the lease"),
		"granted after a holder was killed":                given(holds("A", 5, 0, 1, 0, 0).but(isKilled), holds("B", 7, 2, 101, 150, 151)).faults(on("A", killing, 50, 51)),
		"granted before a holder is killed":                given(holds("A", 5, 0, 1, 0, 0).but(isKilled), holds("B", 7, 2, 49, 140, 141)).faults(on("A", killing, 50, 51)).breaks(noOrder),
		"granted after the lease of a holder killed later": given(holds("A", 5, 0, 1, 0, 0).but(isKilled), holds("B", 7, 2, 103, 140, 141)).faults(on("A", killing, 150, 151)),
		"a survivor has not finished":                      given(holds("A", 5, 0, 1, 0, 0).but(isKilled)).breaks("a survivor has not finished"),
		"all data is lost, and with it the lock":           given(holds("A", 5, 0, 1, 60, 61).but(isLost(mutex.Gone)), holds("B", 7, 2, 40, 50, 51)).faults(on("", flushing, 38, 39)),
		"all data is lost, and a holder does not report its loss": given(holds("A", 5, 0, 1, 60, 61), holds("B", 7, 2, 40, 50, 51)).faults(on("", flushing, 38, 39)).
			breaks(noOrder),
		"deleted under its holder":             given(holds("A", 5, 0, 1, 60, 61).but(isLost(mutex.Gone)), holds("B", 7, 2, 40, 50, 51)).faults(deletes("A", 38, 5)),
		"deleted only when another was inside": given(holds("A", 5, 0, 1, 60, 61).but(isLost(mutex.Gone)), holds("B", 7, 2, 30, 50, 51)).faults(deletes("A", 38, 5)).breaks(noOrder),
		"deleted when it was only reserved":    given(holds("A", 5, 0, 4, 60, 61)).faults(deletes("A", 2, 4)),
		"deleted, and nothing noticed":         given(holds("A", 5, 0, 1, 60, 61)).faults(deletes("A", 38, 5)).breaks("a loss was not noticed"),
		"deleted, and noticed late": given(holds("A", 5, 0, 1, 2500, 2501).but(func(a *attempt) { a.Until = ms(3000) }).but(notified(mutex.Gone, 2500))).faults(deletes("A", 38, 5)).
			breaks("a loss was noticed late"),
		"deleted, and noticed late because of a fault": given(holds("A", 5, 0, 1, 2500, 2501).but(func(a *attempt) { a.Until = ms(3000) }).but(notified(mutex.Gone, 2500))).
			faults(deletes("A", 38, 5), on("A", "cut", 30, 2400)),
		"goes on after its loss":      given(holds("A", 5, 0, 1, 400, 401).but(long).but(notified(mutex.Expired, 100))).breaks("work went on after its loss"),
		"stands still after its loss": given(holds("A", 5, 0, 1, 400, 401).but(long).but(notified(mutex.Expired, 100))).stood(during(110, 390)),

		"a token is given twice":              given(holds("A", 5, 0, 1, 10, 12), holds("B", 5, 2, 11, 20, 21)).breaks(noOrder),
		"a token falls":                       given(holds("A", 5, 0, 1, 10, 12), holds("B", 7, 2, 11, 20, 21), holds("C", 6, 2, 22, 23, 24)).breaks(noOrder),
		"a token falls when all data is lost": given(holds("A", 5, 0, 1, 10, 12), holds("B", 4, 2, 41, 50, 51)).faults(on("", flushing, 38, 39)).breaks(noOrder),
		"there is no token":                   given(holds("A", 0, 0, 1, 10, 12)).breaks(noOrder, "no token"),

		"refused while another is inside":                 given(holds("A", 5, 0, 1, 10, 12), isRefused("B", 2, 3)),
		"refused while another enters":                    given(holds("A", 5, 0, 4, 10, 12), isRefused("B", 2, 3)),
		"refused while another releases":                  given(holds("A", 5, 0, 1, 10, 13), isRefused("B", 11, 12)),
		"refused while another gives up":                  given(gives("A", 0, 14), isRefused("B", 13, 14)),
		"refused while nobody has it":                     given(holds("A", 5, 0, 1, 10, 12), isRefused("B", 13, 14)).breaks(noOrder),
		"refused before anybody came":                     given(isRefused("B", 1, 2), holds("A", 5, 3, 4, 10, 12)).breaks(noOrder),
		"refused after another gave up":                   given(gives("A", 0, 12), isRefused("B", 13, 14)).breaks(noOrder),
		"refused after another gave up without an answer": given(gives("A", 0, 12), isRefused("B", 13, 14)).gaps(gap{"A", "k", during(2, 11)}),
		"refused long after another had no answer":        given(gives("A", 0, 12), isRefused("B", 713, 714)).gaps(gap{"A", "k", during(2, 11)}).breaks(noOrder),
		"refused after another process got no answer":     given(gives("A", 0, 12), isRefused("B", 13, 14)).gaps(gap{"C", "k", during(2, 11)}).breaks(noOrder),
		"refused after a holder was killed":               given(holds("A", 5, 0, 1, 0, 0).but(isKilled), isRefused("B", 140, 141)).faults(on("A", killing, 50, 51)),
		"refused long after a holder was killed":          given(holds("A", 5, 0, 1, 0, 0).but(isKilled), isRefused("B", 840, 841)).faults(on("A", killing, 50, 51)).breaks(noOrder),
		"refused after a waiter was killed":               given(gives("A", 0, 0).but(isKilled), isRefused("B", 140, 141)).faults(on("A", killing, 50, 51)),
		"refused while a paused waiter may have had it": given(holds("A", 9, 0, 300, 310, 312), isRefused("B", 140, 141), holds("C", 7, 190, 200, 210, 212)).
			faults(on("A", "stopped", 50, 150)),
		"refused while a waiter was in order": given(holds("A", 9, 0, 300, 310, 312), isRefused("B", 140, 141), holds("C", 7, 190, 200, 210, 212)).
			faults(on("D", "stopped", 50, 150)).breaks(noOrder),
	})
}

func TestABrokenPromiseOrRegisterIsFoundByItsHistory(t *testing.T) {
	t.Parallel()
	late := func(a *attempt) { a.Overdue = enoughLooks + 1 }
	judgeAll(t, map[string]madeUp{
		"work ends after its lease, and succeeds":                              given(holds("A", 5, 0, 1, 101, 102)).breaks("success, though the work ended after the lease"),
		"the context does not end with the lease":                              given(holds("A", 5, 0, 1, 900, 902).but(isLost(mutex.Expired)).but(late)).breaks(ignored),
		"the context does not end with the lease, as the machine stands still": given(holds("A", 5, 0, 1, 900, 902).but(isLost(mutex.Expired)).but(late)).slow(during(50, 800)),
		"the lock is taken from its holder":                                    given(holds("A", 5, 0, 1, 50, 52).but(isLost(mutex.Taken))).breaks(noLoss),
		"the lock is gone when its lease has ended":                            given(holds("A", 5, 0, 1, 50, 101).but(isLost(mutex.Gone))),
		"an error of no known kind":                                            given(gives("A", 0, 1).but(func(a *attempt) { a.Outcome = odd })).breaks("an unexpected error"),
		"released, and held":                                                   given(holds("A", 5, 0, 1, 10, 12).but(func(a *attempt) { a.Kept = true })).breaks("a lock was released and is held"),
		"expired, though nothing is broken":                                    given(holds("A", 5, 8_000, 8_001, 8_200, 8_201).but(isLost(mutex.Expired))).healed().breaks("it failed for no reason"),
		"not answered, though nothing is broken":                               given(gives("A", 8_000, 8_201).but(func(a *attempt) { a.Outcome = unanswered })).healed().breaks("it failed for no reason"),
		"expired, as the process stood still":                                  given(holds("A", 5, 8_000, 8_001, 8_200, 8_201).but(isLost(mutex.Expired))).stood(during(8_010, 8_190)).healed(),

		"over before the server ends the lease": given(holds("A", 5, 0, 1, 90, 91)).leases(map[string]int{"A": 91}),
		"over after the server has ended the lease": given(holds("A", 5, 0, 1, 92, 93)).leases(map[string]int{"A": 91}).
			breaks("work went on when another could have the lock"),
		"alive when the server has given another the lock": given(holds("A", 5, 0, 1, 92, 150).but(isLost(mutex.Expired)).but(func(a *attempt) { a.Seen = ms(92) }),
			holds("B", 7, 0, 120, 130, 131)).leases(map[string]int{"A": 101, "B": 300}).tokens(map[uint64]int{7: 91}).
			breaks("work went on when another could have the lock"),

		"written in turn": given(ab()...).
			wrote(2, writesTo("A", 5, 1, 1, 2, 3, true, version{}), writesTo("B", 7, 2, 2, 12, 13, true, version{5, 1, 1}), writesTo("A", 5, 3, 2, 14, 15, false, version{7, 2, 2})),
		"a stale write is accepted": given(ab()...).
			wrote(2, writesTo("A", 5, 1, 1, 2, 3, true, version{}), writesTo("B", 7, 2, 2, 12, 13, true, version{5, 1, 1}), writesTo("A", 5, 3, 2, 14, 15, true, version{7, 2, 2})).
			breaks(noOrder, updates, updates),
		"an unanswered stale write is accepted": given(ab()...).
			wrote(3, writesTo("B", 7, 2, 1, 12, 13, true, version{}), writesTo("A", 5, 3, 2, 14, 0, false, version{}), writesTo("B", 7, 4, 3, 18, 19, true, version{5, 3, 2})).
			breaks(noOrder),
		"an unanswered write shows later": given(ab()...).wrote(2, writesTo("A", 5, 1, 1, 2, 0, false, version{}), writesTo("B", 7, 2, 2, 12, 13, true, version{5, 1, 1})),
		"an unanswered write never shows": given(ab()...).wrote(1, writesTo("A", 5, 1, 1, 2, 0, false, version{}), writesTo("B", 7, 2, 1, 12, 13, true, version{})),
		"a write is gone":                 given(ab()...).wrote(1, writesTo("A", 5, 1, 1, 2, 3, true, version{}), writesTo("B", 7, 2, 1, 12, 13, true, version{})).breaks(noOrder, updates),
		"an increment is overwritten by an older one": given(ab()...).
			wrote(1, writesTo("A", 5, 1, 1, 2, 3, true, version{}), writesTo("B", 7, 2, 1, 12, 13, true, version{5, 1, 1})).breaks(updates, updates),
		"an increment that nobody made": given(ab()...).wrote(2, writesTo("A", 5, 1, 1, 2, 3, true, version{})).breaks(updates),
		"killed as it wrote":            given(holds("A", 5, 0, 1, 0, 0).but(isKilled)).faults(on("A", killing, 50, 51)).wrote(1, writesTo("A", 5, 1, 1, 2, 0, false, version{})),
		"a holder's write is refused": given(holds("A", 5, 0, 1, 10, 12)).
			wrote(-1, writesTo("B", 7, 2, 0, 1, 3, true, version{}), writesTo("A", 5, 1, 1, 4, 5, false, version{7, 2, 0})).breaks("a holder's write was refused"),

		"free for long, though wanted":                           given(holds("A", 5, 0, 1, 10, 12), holds("B", 7, 2, 9_000, 9_010, 9_011)).breaks(free),
		"free for long, and wanted by a waiter that was cut off": given(holds("A", 5, 0, 1, 10, 12), holds("B", 7, 2, 9_000, 9_010, 9_011)).faults(on("B", "cut", 1, 6_000)),
		"free for long, wanted in vain": given(holds("A", 5, 0, 1, 10, 12), gives("B", 2, 0).but(isKilled).but(func(a *attempt) { a.Mode = withLock })).
			faults(on("B", killing, 9_000, 9_001)).breaks(free),
		"overtaken by many":                      given(append(turns(80), holds("A", 9_999, 2, 900, 905, 910))...).breaks("a waiter starves"),
		"overtaken by many while it was cut off": given(append(turns(80), holds("A", 9_999, 2, 900, 905, 910))...).faults(on("A", "cut", 1, 800)),
		"overtaken by some":                      given(append(turns(40), holds("A", 9_999, 2, 500, 505, 510))...),
	})
}
