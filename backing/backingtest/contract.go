package backingtest

// A rule is a sentence of the contract in package backing.
type rule int

const (
	eachAtomic rule = iota
	expiredIsFree
	wholeStrings
	anyBytes
	endedContext
	errorMeans
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
)

// contract quotes package backing word for word, and only what a failure can
// show: that the store's clock judges expiry, for one, shows in no answer.
var contract = [...]string{
	eachAtomic:       "Each operation must be atomic, and safe for concurrent use.",
	expiredIsFree:    "A key whose lease has expired must be as good as free for every operation.",
	wholeStrings:     "Holders must be compared as whole strings, byte for byte, and keys as well.",
	anyBytes:         "Keys and holders of any bytes must be accepted, at least up to 1,024 bytes.",
	endedContext:     "If the context has ended before the call, nothing must be sent to the store, and the error must satisfy errors.Is with the context's error.",
	errorMeans:       `An error means that the store could not answer. It must never stand for "somebody else has the lock".`,
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
}

func (r rule) String() string { return contract[r] }
