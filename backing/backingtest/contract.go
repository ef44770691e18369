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
	ttlRuns
	freeIsGiven
	neverWaits
	sameHolder
	tokensRise
	refreshExtends
	refreshElse
	releaseFrees
	releaseTwice
	releaseInBetween
	releaseElse
	isLocked
	getHolder

	passMoves
	passGrants
	passAgain
	passLater
	passElse
	passYields
	yieldUnheard

	releaseHands
	releaseLeaves
	tryBarges
	enqueueTakes
	enqueueWaits
	firstIsGiven
	notQueued
	toldOnce
	startIsPast
	leaseIsReal
	leaseIsBounded
	firstRefresh

	refreshAllEach
	refreshAllApart
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
	settles:          "What an operation asked for before that Release must come to nothing soon after it, also if the request reaches the store later than the Release.",
	errorMeans:       `An error means that the store could not answer. It must never stand for "somebody else has the lock".`,
	noAnswer:         "None and false are answers: without one of the store, an operation must return an error.",
	ttlRuns:          "TTL is how long the lease must run, counted by the store from the moment that it applies the operation.",
	freeIsGiven:      "TryAcquire must give the key to c.Holder if it is free, and must answer None if another holder has it, whatever the TTLs of the two.",
	neverWaits:       "TryAcquire must not wait for the key to become free.",
	sameHolder:       "If c.Holder has the key already, TryAcquire must succeed with the same token, and the lease runs c.TTL from now: a client whose reply was lost asks again and must recognize itself.",
	tokensRise:       "Every new grant of a key must carry a higher token than all grants of it before, also when the holder is the same, and also across expiry, release, and restart or data loss of the store, unless this backing answers 0 always.",
	refreshExtends:   "Refresh must make the lease run c.TTL from now, be that more or less than what was left, and answer true, if c.Holder has the key.",
	refreshElse:      "If c.Holder does not have the key, Refresh must answer false and change nothing: it must not create the key again, nor touch another holder's lease.",
	releaseFrees:     "Release must free the key and answer true, if holder has it.",
	releaseTwice:     "A second Release of the same grant must answer true again as long as the released lease would have run: a client whose reply was lost asks again.",
	releaseInBetween: "A second Release must not disturb a holder that came in between.",
	releaseElse:      "If holder's lease has expired, or if it never had one, Release must answer false and change nothing, whoever has the key now.",
	isLocked:         "IsLocked must report whether any holder has the key.",
	getHolder:        "GetHolder must report who has the key, None if nobody.",

	passMoves:    "Pass must, in one atomic step, take the key from the holder from and give it to next.Holder, if from has it.",
	passGrants:   "That is a new grant, with a lease of next.TTL from now. The answer is true and a Standing with the grant.",
	passAgain:    "A second Pass of the same key to the same claimant must answer as the first one did as long as that claimant has the key: a client whose reply was lost asks again.",
	passLater:    "If the claimant has let go since, the answer must be true without a grant, as long as the lease that was passed on would have run.",
	passElse:     "If from has neither the key, nor let go of it in a lease that would still run, Pass must answer false and change nothing, though the claimant may have the key from another.",
	passYields:   "If yield is true, and claimants wait in the [Queue] of the store, the first of them must have the key instead, and next waits behind the last. The answer is then true and a Standing without a grant.",
	yieldUnheard: "If next cannot be queued, because nothing can be told to it or the store has no queue, those who poll come first: the key must be released, with the same answer, and next polls.",

	releaseHands:   "In a store with a queue, a key that Release frees must go to the first claimant in its queue that can be told, under a new grant.",
	releaseLeaves:  "Release must take a claimant that does not have the key out of the queue.",
	tryBarges:      "TryAcquire stands in no line: it must still be given a key that is free.",
	enqueueTakes:   "Enqueue must do as TryAcquire does if the key is free and nobody waits for it, and if w.Holder has it already.",
	enqueueWaits:   "Otherwise it must put the claimant at the end of the key's queue; one that is in it already must keep its place.",
	firstIsGiven:   "If the key is free, the first in the queue must be given it.",
	notQueued:      "If nothing can be told to the claimant at present, it must not be queued: the answer says so, and why.",
	toldOnce:       "Granted is called when the claimant has been given the key, at most once for each grant, and perhaps before the call that queued it returns.",
	startIsPast:    "Start is a moment, on this process's monotonic clock, before which the lease did not begin. It is not after the call of Granted.",
	leaseIsReal:    "Lease is how long the lease runs from Start.",
	leaseIsBounded: "It may be shorter than the claim's TTL, and must not be longer: a claimant that was granted the key but died should not keep the others waiting.",
	firstRefresh:   "The first Refresh makes it TTL.",

	refreshAllEach:  "RefreshAll must do for each claim what Refresh does, and give one answer for each in the order of the claims.",
	refreshAllApart: "One claim that fails must not keep the others from being refreshed.",
}

func (r rule) String() string { return contract[r] }
