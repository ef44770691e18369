package protocol_test

// An event is one thing that happens.
type event struct {
	what what
	who  int // a claimant, a process, a message or a stray
}

type what uint8

const (
	// These go on for as long as nothing goes wrong.
	asks what = iota
	arrives
	isAnswered
	isHeard
	finishes
	finishesYielding
	deadlinePasses
	deadlineOfAnswerPasses
	deadlineOfMessagePasses
	leaseExpires
	strangerLetsGo
	// These somebody chooses to do, or they go wrong.
	joins
	triesOnce
	refreshes
	leaves
	givesUp
	returns
	answerIsLost
	isRepeated
	messageIsLost
	strayArrives
	strayIsLost
	strangerTakes
	processDies
	processGoesDeaf
	failsOver
	isDoubled
	subscribesAgain
	allWhat
)

var names = [allWhat]string{
	"asks the store for the lock", "reaches the store with a request", "hears the answer", "is received",
	"finishes and lets go", "finishes and lets those in other processes go first",
	"sees its deadline pass", "has its answer outlive the deadline", "outlives the deadline", "the lease expires", "a foreign client lets go",
	"joins", "tries once", "refreshes", "leaves", "gives up letting go", "comes again",
	"loses the answer and asks again", "asks again while the first request is on its way", "is lost",
	"arrives after all", "is lost for good", "a foreign client takes the lock", "dies", "goes deaf",
	"another server becomes the primary, and no data is lost", "is received, and will be once more", "subscribes at the new primary",
}

func (e event) goesWrong() bool { return e.what >= joins }

// isMishap is whether an event is one of those that a model has a bounded number of.
func (e event) isMishap() bool {
	switch e.what {
	case leaves, givesUp, answerIsLost, isRepeated, messageIsLost, strangerTakes, processDies, processGoesDeaf, failsOver, isDoubled:
		return true
	default:
		return false
	}
}
