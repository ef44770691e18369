package backingtest

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A mistake of a store. A run of the kit must quote each sentence that it breaks. It may
// also quote others that are broken with them: a lease that is too long shows in each
// operation that sets one.
type mistake struct {
	flaw   string
	breaks []rule
	may    []rule
}

// mistakes in the holder of the key, its lease and its successor: the model finds them.
var mistakes = []mistake{
	{"TryAcquire forgets its holder", []rule{sameHolder}, nil},
	{"TryAcquire gives its holder a lower token", []rule{tokenKeeps}, []rule{tokensRise}},
	{"TryAcquire takes every grant for a new one", []rule{sameHolder}, nil},
	{"TryAcquire takes every grant for an old one", []rule{resumedMeans}, nil},
	{"TryAcquire by the holder does not extend the lease", []rule{sameHolder}, nil},
	{"TryAcquire evicts a lease shorter than its own", []rule{freeIsGiven}, nil},
	{"a refused TryAcquire sets its own TTL", []rule{freeIsGiven}, []rule{passAgain, passGrants, sameHolder, ttlRuns}},
	{"TryAcquire reports a held key as an error", []rule{errorMeans}, nil},
	{"TryAcquire waits", []rule{neverWaits}, nil},
	{"TryAcquire looks first and takes then", []rule{eachAtomic}, nil},
	{"tokens repeat", []rule{tokensRise}, nil},
	{"tokens fall", []rule{tokensRise}, nil},
	{"tokens belong to holders", []rule{tokensRise}, nil},
	{"tokens are lost for a while", []rule{tokensRise}, []rule{wholeStrings}},
	{"the TTL is ignored", []rule{expiredIsFree}, []rule{passGrants, refreshAllEach, refreshExtends, sameHolder}},
	{"leases end late", []rule{expiredIsFree}, []rule{passGrants, refreshAllEach, refreshExtends, sameHolder}},
	{"leases end early", []rule{ttlRuns}, []rule{passGrants, refreshAllEach, sameHolder}},
	{"Refresh creates the key again", []rule{refreshElse}, []rule{refreshAllEach}},
	{"Refresh by another holder sets the TTL", []rule{refreshElse}, []rule{enqueueTakes, expiredIsFree, passAgain, refreshAllEach, ttlRuns}},
	{"Refresh asks whether there is a key, not whose", []rule{refreshElse}, []rule{refreshAllEach}},
	{"Refresh looks first and writes then", []rule{refreshElse}, []rule{eachAtomic}},
	{"Refresh remembers whom it refused", []rule{releaseElse}, []rule{enqueueTakes, enqueueWaits, foundNothing, passAgain, passMoves, refreshExtends, sameHolder}},
	{"Refresh does nothing", []rule{refreshExtends}, []rule{firstIsGiven, foundNothing, refreshAllEach, tryBarges}},
	{"Refresh answers false", []rule{refreshExtends}, []rule{refreshAllEach, releaseApart}},
	{"Refresh never makes a lease shorter", []rule{refreshExtends}, []rule{firstIsGiven, foundNothing, refreshAllEach, tryBarges}},
	{"Release ignores the holder", []rule{releaseElse, releaseInBetween}, []rule{foundNothing, freedBefore, passReleases, releaseTwice}},
	{"Release after expiry deletes the next holder's lease", []rule{releaseElse}, []rule{foundNothing, passToReleased, releaseFrees, releaseReports, sameButAttempt}},
	{"Release always answers true", []rule{releaseElse}, []rule{releaseReports}},
	{"Release frees nothing", []rule{releaseFrees}, []rule{endedContext, enqueueTakes, lateIsRefused, passAgain, passElse, releaseHands, releaseReports, releaseTwice, resumedMeans, sameButAttempt, wholeStrings}},
	{"Release answers false", []rule{releaseFrees}, nil},
	{"a second Release answers false", []rule{releaseTwice}, []rule{passReleases, passToReleased}},
	{"a second Release frees the key of a holder in between", []rule{releaseInBetween}, []rule{freedBefore, releaseApart, releaseTwice}},
	{"Release looks first and deletes then", []rule{releaseInBetween}, []rule{eachAtomic}},
	{"IsLocked remembers the dead", []rule{isLocked}, nil},
	{"IsLocked knows nothing", []rule{isLocked}, nil},
	{"GetHolder knows nothing", []rule{getHolder}, nil},
	{"Release forgets those who wait", []rule{releaseHands}, []rule{passYields}},
	{"last come, first served", []rule{releaseHands}, []rule{enqueueTakes, passYields}},
	{"one who asks again goes to the end", []rule{enqueueWaits}, []rule{passYields}},
	{"Enqueue evicts the holder", []rule{enqueueWaits, lateIsRefused}, []rule{enqueueLate}},
	{"Enqueue only ever queues", []rule{enqueueTakes}, nil},
	{"Enqueue forgets its holder", []rule{enqueueTakes}, nil},
	{"Enqueue gives its holder a lower token", []rule{tokenKeeps, tokensRise}, nil},
	{"Enqueue answers nothing", []rule{noAnswer}, nil},
	{"those who wait are to ask again at once", []rule{askAgain}, nil},
	{"those who wait are refused", []rule{enqueueWaits}, nil},
	{"those who have left must poll", []rule{enqueueLate}, nil},
	{"those who cannot be woken are queued all the same", []rule{notQueued}, []rule{enqueueTakes, passMoves}},
	{"a free key goes to whoever asks", []rule{firstIsGiven}, nil},
	{"TryAcquire stands in line", []rule{tryBarges}, nil},
	{"one that leaves stays in line", []rule{releaseLeaves}, []rule{enqueueTakes, passMoves, passYields}},
	{"the key is not there for the one that is woken", []rule{releaseHands}, []rule{passYields}},
	{"the key that was kept is granted as if it had been free", []rule{resumedMeans}, nil},
	{"Pass lets others in between", []rule{passMoves}, []rule{eachAtomic}},
	{"Pass is refused", []rule{passMoves}, nil},
	{"Pass answers no grant", []rule{passGrants}, []rule{passMoves}},
	{"Pass answers nothing", []rule{noAnswer}, nil},
	{"Pass says that the grant is an old one", []rule{passGrants}, nil},
	{"Pass leaves the lease as it was", []rule{passGrants}, nil},
	{"Pass hands the old token on", []rule{tokensRise}, []rule{eachAtomic}},
	{"a second Pass gives a lower token", []rule{tokenKeeps}, []rule{tokensRise}},
	{"one that has passed the key on has not released it", []rule{passReleases}, []rule{freedBefore, passToReleased, releaseTwice}},
	{"a second Pass is refused", []rule{passAgain}, nil},
	{"a second Pass is refused when the claimant has let go", []rule{passAgain}, nil},
	{"a second Pass is a grant when the claimant has let go", []rule{passAgain}, nil},
	{"Pass takes the key from anybody", []rule{passElse}, nil},
	{"Pass takes a free key", []rule{passElse}, nil},
	{"Pass takes it for a repeat that the claimant has the key", []rule{passElse}, nil},
	{"Pass takes it for a repeat that the holder was released", []rule{passElse}, nil},
	{"Pass gives the key to one that has left", []rule{passToReleased}, nil},
	{"Pass to one that has left is refused", []rule{passToReleased}, nil},
	{"Pass never yields", []rule{passYields}, nil},
	{"Pass always yields", []rule{passMoves}, nil},
	{"one that yields is not in line", []rule{passYields, passAgain}, []rule{releaseHands}},
	{"a store without a queue passes a key though it should yield", []rule{yieldPolls}, nil},
	{"a store without a queue does not let go of a key to yield", []rule{yieldPolls}, []rule{passToReleased}},
	{"RefreshAll answers in another order", []rule{refreshAllEach}, nil},
	{"RefreshAll answers only who has the key", []rule{refreshAllEach}, nil},
	{"RefreshAll stops at the first that has no key", []rule{refreshAllApart}, []rule{refreshAllEach}},
	{"RefreshAll creates keys", []rule{refreshAllEach}, nil},
	{"RefreshAll only looks", []rule{refreshAllEach}, nil},
	{"late requests are not refused", []rule{lateIsRefused}, []rule{enqueueLate, passToReleased}},
	{"late requests are refused only if the release found something", []rule{lateIsRefused}, []rule{enqueueLate, passToReleased}},
	{"ReleaseClaim reports the opposite of what it found", []rule{releaseReports, foundNothing, sameButAttempt}, nil},
	{"ReleaseClaim reports that everything was freed now", []rule{foundNothing, freedBefore, releaseReports, releaseApart, passReleases}, nil},
	{"ReleaseClaim does not know what was freed earlier", []rule{freedBefore, releaseApart, passReleases}, nil},
	{"ReleaseClaim takes it for a release that it was asked before", []rule{foundNothing}, nil},
}

// beyondTheModel are mistakes with odd strings, attempts, contexts, wake-ups and
// concurrency.
var beyondTheModel = []mistake{
	{"TryAcquire takes another attempt for another holder", []rule{sameButAttempt}, nil},
	{"a release is remembered of every attempt of its holder", []rule{releaseFrees}, []rule{enqueueWaits}},
	{"the store keeps a thousand leases", []rule{ttlRuns}, nil},
	{"holders are compared by prefix", []rule{wholeStrings}, nil},
	{"keys are compared without case", []rule{wholeStrings}, nil},
	{"keys end at a NUL byte", []rule{wholeStrings}, nil},
	{"keys with the same hash tag are one", []rule{wholeStrings}, []rule{anyBytes, freeIsGiven}},
	{"GetHolder trims its answer", []rule{anyBytes}, []rule{wholeStrings}},
	{"long keys are refused", []rule{anyBytes}, nil},
	{"TryAcquire ignores an ended context", []rule{endedContext}, nil},
	{"TryAcquire takes the key and then looks at the context", []rule{endedContext}, nil},
	{"Refresh ignores an ended context", []rule{endedContext}, nil},
	{"Release ignores an ended context", []rule{endedContext}, nil},
	{"IsLocked ignores an ended context", []rule{endedContext}, nil},
	{"GetHolder hides the context's error", []rule{endedContext}, nil},
	{"a free key stays free while somebody waits", []rule{firstIsGiven}, nil},
	{"the queue cuts holders at a NUL byte", []rule{anyBytes, wholeStrings}, nil},
	{"Enqueue ignores an ended context", []rule{endedContext}, nil},
	{"nobody is woken", []rule{wakes}, nil},
	{"nobody is woken, and all ask every second", []rule{wakes}, nil},
	{"the key is kept for longer than its claimant wanted", []rule{leaseIsBounded}, nil},
	{"one that was woken has no longer lease than the key was kept", []rule{enqueueTakes}, nil},
	{"Pass ignores an ended context", []rule{endedContext}, nil},
	{"RefreshAll ignores an ended context", []rule{endedContext}, nil},
	{"ReleaseClaim frees what a later acquisition has", []rule{releaseApart}, nil},
	{"ReleaseClaim ignores an ended context", []rule{endedContext}, nil},
	{"abilities come and go", []rule{abilitiesStay}, nil},
}

func TestAMistakeIsFoundAndTheSentenceQuotedThatItBreaks(t *testing.T) {
	t.Parallel()
	for _, m := range slices.Concat(mistakes, beyondTheModel) {
		t.Run(m.flaw, func(t *testing.T) {
			t.Parallel()
			quoted := quotesOf(t, m.kit(t).exercise, m.open(t))
			assert.Subset(t, words(m.breaks, m.may), quoted)
			if !slices.ContainsFunc(mistakes, func(other mistake) bool { return other.flaw == m.flaw }) {
				assert.Subset(t, quoted, words(m.breaks))
			}
		})
	}
}

func TestTheModelFindsEachMistakeInWhoHasTheKey(t *testing.T) {
	t.Parallel()
	for _, m := range mistakes {
		t.Run(m.flaw, func(t *testing.T) {
			t.Parallel()
			var quoted []string
			for seed, found := 0, 0; seed < 150 && found < 3; seed++ {
				quotes := quotesOf(t, func(run runner) {
					run("script", func(p *probe) { p.failsWith(p.follows(scripts.Example(seed))) })
				}, m.open(t))
				quoted, found = append(quoted, quotes...), found+len(quotes)
			}
			assert.Subset(t, words(m.breaks, m.may), quoted)
			for seed := 0; len(quoted) == 0 && seed < 1000; seed++ {
				quoted = quotesOf(t, func(run runner) {
					run("history", func(p *probe) { p.failsWith(p.crowds(seed)) })
				}, m.open(t))
				assert.Subset(t, []string{eachAtomic.String()}, quoted, "it does not show in what is done alone")
			}
			assert.NotEmpty(t, quoted)
		})
	}
}

func TestEverySentenceIsBrokenByOneMistake(t *testing.T) {
	t.Parallel()
	var broken []string
	for _, m := range slices.Concat(mistakes, beyondTheModel) {
		broken = append(broken, words(m.breaks)...)
	}
	for _, b := range brokenByFaults {
		broken = append(broken, words(b.breaks)...)
	}
	for _, sentence := range contract {
		assert.Contains(t, broken, sentence)
	}
}

func (m mistake) kit(t *testing.T) kit {
	k, err := newKit(nil)
	require.NoError(t, err)
	k.keys = 100 // for the sake of the race detector
	if m.flaw == "the store keeps a thousand leases" {
		k.keys = 2_000
	}
	return k
}

func (m mistake) open(t *testing.T) func(reporter) *probe {
	return func(r reporter) *probe { return newProbe(r, &flawed{flaw: m.flaw}, m.kit(t)) }
}

func words(all ...[]rule) (sentences []string) {
	for _, r := range slices.Concat(all...) {
		sentences = append(sentences, r.String())
	}
	return sentences
}

// quotesOf runs cases, each with a probe of its own, and returns what failures quote.
func quotesOf(t *testing.T, exercise func(runner), open func(reporter) *probe) (quoted []string) {
	seen := map[string]bool{}
	exercise(func(name string, body func(*probe)) {
		synctest.Test(t, func(t *testing.T) {
			message := failure(func(r reporter) { body(open(r)) })
			if message == "" {
				return
			}
			t.Logf("%s: %s", name, message)
			sentence, rest, ok := strings.Cut(strings.TrimPrefix(message, `contract: "`), "\"\n")
			require.True(t, ok && strings.Contains(rest, "after these calls:"), message)
			if !seen[sentence] {
				seen[sentence] = true
				quoted = append(quoted, sentence)
			}
		})
	})
	return quoted
}

func (p *probe) failsWith(message string) {
	if message != "" {
		p.Fatalf("%s", message)
	}
}

// failure returns what body reports, or "".
func failure(body func(reporter)) string {
	r := &recorder{then: func() {}}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		body(r)
	}()
	<-ended
	return r.message
}
