package backingtest

// A rule is a sentence of the contract in package backing.
type rule int

const (
	eachAtomic rule = iota
	expiredIsFree
	wholeStrings
	anyBytes
	endedContext
	endsSoon
	settles
	errorMeans
	noAnswer
	notSent
	ttlRuns
	sameButAttempt
	resumedMeans
	freeIsGiven
	neverWaits
	sameHolder
	tokenKeeps
	tokensRise
	refreshExtends
	refreshElse
	releaseFrees
	releaseTwice
	releaseInBetween
	releaseElse
	isLocked
	getHolder

	abilitiesStay

	passMoves
	passGrants
	passReleases
	passYields
	yieldPolls
	passElse
	passAgain
	passToReleased

	releaseHands
	leaseIsBounded
	wakes
	releaseLeaves
	tryBarges
	enqueueTakes
	enqueueWaits
	firstIsGiven
	askAgain
	notQueued
	enqueueLate

	refreshAllEach
	refreshAllApart

	lateIsRefused
	releaseReports
	releaseApart
	foundNothing
	freedBefore
)

// contract quotes package backing word for word, and only what a failure can
// show: that the store's clock judges expiry, for one, shows in no answer.
var contract = [...]string{
	eachAtomic:       "Each operation must be atomic, and safe for concurrent use.",
	expiredIsFree:    "A key whose lease has expired must be as good as free for every operation.",
	wholeStrings:     "Holders must be compared as whole strings, byte for byte, and keys as well.",
	anyBytes:         "Keys and holders of any bytes must be accepted, at least up to 1,024 bytes.",
	endedContext:     "If the context has ended before the call, nothing must be sent to the store, and the error must satisfy errors.Is with the context's error.",
	endsSoon:         "An operation must return soon after its context ends, and if it has no answer by then, the error must satisfy errors.Is with the context's error.",
	settles:          "What an operation asked for before that Release must come to nothing, also if the request reaches the store after the Release: it should be refused, for as long as the store remembers the release, and otherwise undone soon.",
	errorMeans:       `An error means that the store could not answer. It must never stand for "somebody else has the lock".`,
	notSent:          "An error must not be marked if any request of the operation may have been received; in doubt, an unmarked error costs no more than a needless Release.",
	noAnswer:         "None and false are answers: without one of the store, an operation must return an error.",
	ttlRuns:          "TTL is how long the lease must run, counted by the store from the moment that it applies the operation.",
	sameButAttempt:   "It is not part of the holder: claims that differ in it alone are the same holder.",
	resumedMeans:     "Resumed reports that the holder had the key already, and the lease was extended. It is false for a key that was free, and where the store has repeated the request by itself, and the holder may have the key from that.",
	freeIsGiven:      "TryAcquire must give the key to c.Holder if it is free, and must answer None if another holder has it, whatever the TTLs of the two.",
	neverWaits:       "TryAcquire must not wait for the key to become free.",
	sameHolder:       "If c.Holder has the key already, TryAcquire must succeed, with Resumed set, and the lease runs c.TTL from now: a client whose reply was lost asks again and must be recognized.",
	tokenKeeps:       "The token is the one that the holder has, or a new, higher one; the last answer counts.",
	tokensRise:       "Every new grant of a key must carry a higher token than all grants of it before, also when the holder is the same, and also across expiry, release, and restart or data loss of the store, unless this backing answers 0 always.",
	refreshExtends:   "Refresh must make the lease run c.TTL from now, be that more or less than what was left, and answer true, if c.Holder has the key.",
	refreshElse:      "If c.Holder does not have the key, Refresh must answer false and change nothing: it must not create the key again, nor touch another holder's lease.",
	releaseFrees:     "Release must free the key and answer true, if holder has it.",
	releaseTwice:     "A second Release of the same grant must answer true again within [ReleaseMemory] of the first: a client whose reply was lost asks again.",
	releaseInBetween: "It must not disturb a holder that came in between.",
	releaseElse:      "If holder's lease has expired, or if it never had one, Release must answer false and leave the key alone, whoever has it now.",
	isLocked:         "IsLocked must report whether any holder has the key.",
	getHolder:        "GetHolder must report who has the key, None if nobody.",

	abilitiesStay: "Abilities must return the same abilities at each call, with Of set to the store itself, whose type is therefore one that can be compared: a pointer, say.",

	passMoves:      "Pass must, in one atomic step, take the key from the claim from and give it to next, if from.Holder has it.",
	passGrants:     "That is a new grant, with a lease of next.TTL from now, and the outcome is Granted.",
	passReleases:   "From has then released the key.",
	passYields:     "If yield is true, and claimants wait in the [Queue] of the store, the first of them must be given the key instead, and next waits behind the last: the outcome is Queued.",
	yieldPolls:     "If next cannot be queued, because it cannot be woken or the store has no queue, the key must be released, for those who poll: the outcome is MustPoll.",
	passElse:       "If from.Holder does not have the key, the outcome is Refused, and nothing must change.",
	passAgain:      "The exception is a second Pass of the same grant to the same claimant, because the reply to the first was lost. Its outcome must say what has become of next: Granted if it has the key, Queued if it is in the queue, and MustPoll once it has let go.",
	passToReleased: "If next has been released already, Pass must do as Release does for from, and the outcome is MustPoll.",

	releaseHands:   "In a store with a queue, a key that is released must go to the first claimant in its queue that can be woken, with a lease of its own.",
	leaseIsBounded: "That lease may be shorter than the claim's TTL: a claimant that has died should not keep the others waiting.",
	wakes:          "The store then wakes the claimant, which asks again and is granted the key.",
	releaseLeaves:  "Release must take a claimant that does not have the key out of the queue.",
	tryBarges:      "TryAcquire stands in no line: it must still be given a key that is free.",
	enqueueTakes:   "Enqueue must give the key to w.Holder if it is free and nobody waits for it, or if w.Holder has it already: the outcome is Granted, as with TryAcquire.",
	enqueueWaits:   "Otherwise it must put the claimant at the end of the key's queue, and the outcome is Queued; a claimant that is in it already must keep its place.",
	firstIsGiven:   "If the key is free, the first in the queue must be given it.",
	askAgain:       "AskAgain is how long the claimant may wait at most before it asks again. It is more than 0.",
	notQueued:      "A claimant that cannot be woken at present must not be queued: the outcome is MustPoll.",
	enqueueLate:    "Enqueue must answer Refused if the claim has been released already, as far as the store remembers.",

	refreshAllEach:  "RefreshAll must do for each claim what Refresh does, and give one answer for each in the order of the claims.",
	refreshAllApart: "One claim that fails must not keep the others from being refreshed.",

	lateIsRefused:  "A store with this ability must not give the key to a claim that was released less than [ReleaseMemory] ago: the request is late. That holds if the release found nothing, too, for it may have overtaken the request.",
	releaseReports: "ReleaseClaim must do what Release does for c.Key and c.Holder, and report what it found. FreedNow and FreedEarlier are Release's true, NotHeld is its false.",
	releaseApart:   "But a second ReleaseClaim of a claim with an Attempt must change nothing, for what the holder has by then is from a later acquisition.",
	foundNothing:   "NotHeld means that the claimant did not have the key, and has not released it lately.",
	freedBefore:    "FreedEarlier means that the claimant did not have the key, because it was released in its name before.",
}

func (r rule) String() string { return contract[r] }
