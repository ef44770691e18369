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

// contract quotes package backing word for word. It leaves out what no answer of a store can
// show, for example that expiry is judged by the store's clock.
var contract = [...]string{
	eachAtomic:       "Each operation must be atomic, and safe for concurrent use.",
	expiredIsFree:    "Every operation must treat a key whose lease has expired as free.",
	wholeStrings:     "Keys and holders must be compared as whole strings, byte for byte.",
	anyBytes:         "Keys and holders of any bytes must be accepted, at least up to 1,024 bytes.",
	endedContext:     "If the context has ended before the call, the operation must send nothing to the store, and the error must satisfy errors.Is with the context's error.",
	endsSoon:         "An operation must return soon after its context ends. If it has no answer by then, the error must satisfy errors.Is with the context's error.",
	settles:          "A request made before that Release must have no lasting effect, even if it reaches the store after the Release: it should be refused for as long as the store remembers the release, and undone soon otherwise.",
	errorMeans:       `An error means that the store could not answer. It must never stand for "somebody else has the lock".`,
	notSent:          "An error must not be marked if the store may have received any request of the operation; when in doubt, leave it unmarked, which costs no more than a needless Release.",
	noAnswer:         "None and false are answers of the store: without an answer, an operation must return an error.",
	ttlRuns:          "TTL is how long the lease must run, counted by the store from the moment it applies the operation.",
	sameButAttempt:   "It is not part of the holder: claims that differ only in Attempt are the same holder.",
	resumedMeans:     "Resumed reports that the holder already had the key, and its lease was extended. It is false if the key was free, or if the holder may have the key only because the store itself repeated the request.",
	freeIsGiven:      "TryAcquire must give the key to c.Holder if it is free, and must answer None if another holder has it, whatever their TTLs.",
	neverWaits:       "TryAcquire must not wait for the key to become free.",
	sameHolder:       "If c.Holder already has the key, TryAcquire must succeed with Resumed set, and the lease then runs c.TTL from now: a client whose reply was lost asks again and must be recognized.",
	tokenKeeps:       "The token is the one the holder already has, or a new, higher one; the latest answer counts.",
	tokensRise:       "Every new grant of a key must carry a higher token than all earlier grants of it, even if the holder is the same, and even across expiry, release, restart of the store and loss of its data, unless the store always answers 0.",
	refreshExtends:   "If c.Holder has the key, Refresh must make the lease run c.TTL from now, whether that is more or less than what was left, and answer true.",
	refreshElse:      "If c.Holder does not have the key, Refresh must answer false and change nothing: it must not create the key again, nor touch another holder's lease.",
	releaseFrees:     "If holder has the key, Release must free it and answer true.",
	releaseTwice:     "A second Release of the same grant must answer true again within [ReleaseMemory] of the first: a client whose reply was lost asks again.",
	releaseInBetween: "It must not disturb a holder that got the key in between.",
	releaseElse:      "If holder's lease has expired, or if it never had one, Release must answer false and leave the key alone, whoever has it now.",
	isLocked:         "IsLocked must report whether any holder has the key.",
	getHolder:        "GetHolder must return the holder of the key, or None if the key is free.",

	abilitiesStay: "Abilities must return the same abilities at every call, with Of set to the store itself. The store must therefore be comparable with ==, as a pointer is.",

	passMoves:      "If from.Holder has the key, Pass must give it to next in one atomic step.",
	passGrants:     "That is a new grant, with a lease of next.TTL from now, and the outcome is Granted.",
	passReleases:   "The claim from is then released.",
	passYields:     "If yield is true and claimants wait in the store's [Queue], the first of them must be given the key instead, and next is queued behind the last: the outcome is Queued.",
	yieldPolls:     "If next cannot be queued, because it cannot be woken or the store has no queue, the key must be released so that claimants that poll can take it, and the outcome is MustPoll.",
	passElse:       "If from.Holder does not have the key, the outcome is Refused, and Pass must change nothing.",
	passAgain:      "The exception is a second Pass of the same grant to the same claimant, made because the reply to the first was lost. Its outcome must be the current state of next: Granted if it has the key, Queued if it is in the queue, and MustPoll once it has been released.",
	passToReleased: "If next has already been released, Pass must do what Release does for from, and the outcome is MustPoll.",

	releaseHands:   "In a store with a queue, a key that is released must go to the first claimant in its queue that can be woken, with a lease of its own.",
	leaseIsBounded: "That lease may be shorter than the claim's TTL, so that a claimant that has died does not keep the others waiting.",
	wakes:          "The store then wakes the claimant, which asks again and is granted the key.",
	releaseLeaves:  "Release must remove a claimant that does not have the key from the queue.",
	tryBarges:      "TryAcquire bypasses the queue: it must succeed if the key is free, even if others wait.",
	enqueueTakes:   "Enqueue must give the key to w.Holder if it is free and nobody waits for it, or if w.Holder already has it: the outcome is Granted, as with TryAcquire.",
	enqueueWaits:   "Otherwise it must put the claimant at the end of the key's queue, and the outcome is Queued; a claimant that is already in the queue must keep its place.",
	firstIsGiven:   "If the key is free, it must be given to the first in the queue.",
	askAgain:       "AskAgain is the longest time the claimant may wait before it asks again. It is positive.",
	notQueued:      "A claimant that cannot be woken at present must not be queued: the outcome is MustPoll.",
	enqueueLate:    "If the claim has already been released, Enqueue must answer Refused, for as long as the store remembers the release.",

	refreshAllEach:  "RefreshAll must do for each claim what Refresh does, and return one answer for each, in the order of the claims.",
	refreshAllApart: "A claim that fails must not keep the others from being refreshed.",

	lateIsRefused:  "A store with this ability must not give the key to a claim that was released less than [ReleaseMemory] ago: the request is late. This also holds if the release found nothing, because it may have overtaken the request.",
	releaseReports: "ReleaseClaim must do what Release does for c.Key and c.Holder, and report what it found. FreedNow and FreedEarlier correspond to true, NotHeld to false.",
	releaseApart:   "But a second ReleaseClaim of a claim with an Attempt must change nothing: what the holder has by then is from a later acquisition.",
	foundNothing:   "NotHeld means that the claimant did not have the key, and has not released it recently.",
	freedBefore:    "FreedEarlier means that the claimant did not have the key, because it had already been released in its name.",
}

func (r rule) String() string { return contract[r] }
