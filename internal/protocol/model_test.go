package protocol_test

// A model is what is explored: who the claimants are, what can go wrong, and
// what is wrong with the protocol, if anything.
type model struct {
	process   [claimants]int // in which each claimant lives
	absent    int            // so many of the last claimants stay away
	tries     bool           // the last claimant does not wait: it takes the lock if it is free
	returns   bool           // the first claimant comes a second time
	reuses    bool           // and then under the same holder id
	refreshes bool           // the first claimant refreshes its lease
	foreign   bool           // a client that knows nothing but SET NX and DEL wants the lock too
	scattered bool           // each subscription is at a server that publishes nothing by itself
	orderly   bool           // nothing goes wrong but a failover
	queueless bool           // the store has no queue
	mishaps   uint8          // how often something goes wrong; what is late, goes wrong without end
	flaw      flaw
	only      string // the one thing that is looked for, "" for everything

	turns *turns // made by explore
}

const claimants, processes = 3, 3

// A flaw is one way to get the protocol wrong.
type flaw int

const (
	sound flaw = iota
	grantsByMessage
	countsFromMessage
	countsFromReceipt
	trustsLateRefresh
	releasesUnseen
	passesUnseen
	grantsUnseen
	countsTokensAfresh
	keepsTheToken
	stopsAtTheDead
	servesLastFirst
	losesThePlace
	losesThePassedOver
	keepsReservations
	leavesSilently
	believesTheLastRefusal
	grantsReleased
	passesToReleased
	forgetsAttempts
	leavesAfterARefusal
	passesUnremembered
	neverAsksAgain
	forgetsAHandover
	keepsAHolder
)

// trustsMessages is whether a message is taken for a grant, and so has a token
// and a lease. In the protocol it has neither.
func (m *model) trustsMessages() bool {
	return m.flaw == grantsByMessage || m.flaw == countsFromMessage
}

// An id is a claim: that of a claimant, the first or the second time it comes.
type id uint8

const (
	nobody   id = 0
	stranger id = 2*claimants + 1 // the foreign client
)

func (s *system) claim(c int) id { return id(2*c + 1 + int(s.claimants[c].again)) }

func claimantOf(i id) int { return int(i-1) / 2 }

// holder is the holder id of a claim: its own, unless it is configured.
func (m *model) holder(i id) id {
	if m.reuses && i != nobody && i != stranger {
		return id(2*claimantOf(i) + 1)
	}
	return i
}

// A system is everything at one moment. It is comparable: two that are equal
// behave the same. Time is not in it. It shows as events that may happen at any
// moment after another: the deadline that a claimant goes by passes, and
// when it has, the store may end the lease. That order is the one assumption on clocks.
//
// A process that is paused needs no state either: it is one in which nothing
// happens for long. Only one that never goes on differs from that.
type system struct {
	claimants [claimants]claimant
	processes [processes]process
	store     store
	messages  [3]message            // published, and not received
	strays    [2]request            // sent, and no longer waited for
	mishaps   uint8                 // so far
	gaveUp    [2*claimants + 1]bool // the claims whose release was never answered
	moved     bool                  // the primary is another than at first; noted only where it matters
}

type claimant struct {
	phase   phase
	again   uint8 // 1 the second time
	accepts bool  // it was handed the lock under the lease, and has not begun to work
	dated   bool  // by the old primary: its last answer; noted only where it matters
	lease   lease // that it works under
	request request
	answer  answer
}

type phase uint8

const (
	idle    phase = iota
	waiting       // in line
	trying
	holding // and at work
	lettingGo
	gone
	crashed
)

// A lease is what a claimant knows of a grant: its token, and whether the local
// deadline has passed.
type lease struct {
	token token
	over  bool
}

// A token is a rank: of the fencing tokens that are still about, only the order matters.
type token uint8

type process struct {
	turn         uint32 // the state of package turn, by its number
	health       health
	subscription subscription
}

type health uint8

const (
	well    health = iota
	dead           // the store sees that there is no subscriber
	stopped        // for ever, or cut off: it is a subscriber, and receives nothing
)

// A subscription is as the server sees it that is the primary now.
type subscription uint8

const (
	counted   subscription = iota
	elsewhere              // at another server, to which messages are replicated
	replaced               // likewise, but the process knows, and subscribes again
)

type store struct {
	holder   id
	reserved bool  // for the holder, which has not asked for it since
	since    token // the first that the holder was granted without losing the lock since
	fence    token // last token, as the store remembers it
	high     token // highest token ever granted
	queue    [5]place
	released [2*claimants + 1]bool // the claims whose release is remembered
}

// A place in the queue is kept for a moment after its holder was passed over.
type place struct {
	of     id
	passed bool
}

// A message says that its addressee should ask. With some flaws it says more.
type message struct {
	to    id
	dated bool // published by the old primary
	lease
}

type request struct {
	kind  kind
	of    id
	to    id // of a pass
	yield bool
	undo  bool // a release of what a waiter that left may have
	state transit
}

type kind uint8

const (
	nothing kind = iota
	enqueue
	try
	refresh
	release
	pass
)

type transit uint8

const (
	unsent transit = iota
	sent
	answered
)

type answer struct {
	verdict   verdict
	uncounted bool // queued, but this server has no subscriber to wake
	lease
}

type verdict uint8

const (
	no verdict = iota
	yes
	queued
	granted
	refused  // it has been released already
	unqueued // free, or another's, and the claimant is not in the queue
	failed   // no answer
)
