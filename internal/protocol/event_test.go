package protocol_test

// An event is one thing that happens.
type event struct {
	what what
	who  int // a claimant, a process, a message or a stray
}

type what uint8

const (
	// These continue as long as nothing goes wrong.
	isDue what = iota
	polls
	accepts
	arrives
	isAnswered
	isReceived
	finishes
	finishesYielding
	deadlinePasses
	deadlineOfAnswerPasses
	deadlineOfMessagePasses
	leaseExpires
	strangerReleases
	subscribesAgain
	// These are choices, or go wrong.
	joins
	triesOnce
	refreshes
	leaves
	givesUp
	returns
	answerIsLost
	isRepeated
	isNotSent
	messageIsLost
	isDoubled
	isWokenForNothing
	placeIsForgotten
	releaseIsForgotten
	strayArrives
	strayIsLost
	strangerTakes
	processDies
	processStops
	failsOver
	allWhat
)

var names = [allWhat]string{
	"is due to ask", "polls", "accepts what it was handed", "reaches the store with a request", "receives the answer", "is received",
	"finishes and releases", "finishes and lets other processes go first",
	"sees its deadline pass", "has its answer outlive the deadline", "outlives the deadline", "the lease expires", "a foreign client releases",
	"subscribes again",
	"joins", "tries once", "refreshes", "leaves", "gives up releasing", "returns",
	"loses the answer and asks again", "asks again while the first request is on its way",
	"asks again, because the first request was not sent", "is lost",
	"is received, and will be once more", "receives a message that is not for it, or an old one",
	"loses the place that was kept when it was passed over", "the store forgets a release",
	"arrives after all", "is lost for good", "a foreign client takes the lock", "dies", "stops forever",
	"a replica becomes the primary, without loss of data",
}

func (e event) goesWrong() bool { return e.what >= joins }

// isMishap reports whether a model bounds the number of such events.
func (e event) isMishap() bool {
	switch e.what {
	case leaves, givesUp, answerIsLost, isRepeated, isNotSent, strangerTakes, processDies, processStops, failsOver:
		return true
	default:
		return false
	}
}

// isDisorder reports whether an event is a mishap other than a failover, or
// happens to a process that is late.
func (e event) isDisorder() bool {
	return e.isMishap() && e.what != failsOver || e.what == deadlinePasses || e.what == deadlineOfAnswerPasses
}
