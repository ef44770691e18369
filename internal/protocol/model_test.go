package protocol_test

// A model is what is explored: the claimants, what can go wrong, and what is
// wrong with the protocol, if anything.
type model struct {
	process   [claimants]int // the process of each claimant
	absent    int            // how many of the last claimants stay away
	tries     bool           // the last claimant takes the lock if it is free, and never waits
	returns   bool           // the first claimant returns once
	reuses    bool           // and then uses the same holder id
	refreshes bool           // the first claimant refreshes its lease
	foreign   bool           // a client that uses only SET NX and DEL wants the lock too
	scattered bool           // each subscription is at a server that publishes nothing itself
	orderly   bool           // nothing goes wrong but a failover
	queueless bool           // the store has no queue
	mishaps   uint8          // how often something goes wrong; lateness is not counted
	flaw      flaw
	only      string // the only violation to look for; "" for all

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

// trustsMessages reports whether a message is taken for a grant, and so has a
// token and a lease. In the protocol it has neither.
func (m *model) trustsMessages() bool {
	return m.flaw == grantsByMessage || m.flaw == countsFromMessage
}

// An id is a claim: a claimant's first or second.
type id uint8

const (
	nobody   id = 0
	stranger id = 2*claimants + 1 // the foreign client
)

func (s *system) claim(c int) id { return id(2*c + 1 + int(s.claimants[c].again)) }

func claimantOf(i id) int { return int(i-1) / 2 }

// holder returns the holder id of a claim: its own, unless the id is configured.
func (m *model) holder(i id) id {
	if m.reuses && i != nobody && i != stranger {
		return id(2*claimantOf(i) + 1)
	}
	return i
}

// A system is everything at one moment. It is comparable: two equal systems behave
// the same. Time is not part of it, but shows as events that may happen at any
// moment after another: a claimant's deadline passes, and only then may the store
// end the lease. That order is the one assumption about clocks.
//
// A paused process needs no state either: it is one in which nothing happens for
// long. Only a process that never continues is different.
type system struct {
	claimants [claimants]claimant
	processes [processes]process
	store     store
	messages  [3]message            // published, and not received
	strays    [2]request            // sent, and no longer waited for
	mishaps   uint8                 // the number so far
	gaveUp    [2*claimants + 1]bool // the claims whose release was never answered
	moved     bool                  // the primary has changed; recorded only where it matters
}

type claimant struct {
	phase   phase
	again   uint8 // 1 once it has returned
	accepts bool  // it has been handed the lock, and has not begun to work
	dated   bool  // its last answer is from the old primary; recorded only where it matters
	lease   lease // the one it works under
	request request
	answer  answer
}

type phase uint8

const (
	idle phase = iota
	waiting
	trying
	holding // and working
	releasing
	gone
	crashed
)

// A lease is what a claimant knows of a grant: its token, and whether the local
// deadline has passed.
type lease struct {
	token token
	over  bool
}

// A token is a rank: only the order of the fencing tokens still in use matters.
type token uint8

type process struct {
	turn         uint32 // the number of its state of package turn
	health       health
	subscription subscription
}

type health uint8

const (
	well    health = iota
	dead           // the store sees no subscriber
	stopped        // forever, or cut off: still a subscriber, but it receives nothing
)

// A subscription is as the current primary sees it.
type subscription uint8

const (
	counted   subscription = iota
	elsewhere              // at another server, to which messages are replicated
	replaced               // likewise, but the process knows and is about to subscribe again
)

type store struct {
	holder   id
	reserved bool  // for the holder, which has not yet asked
	since    token // the first token of the holder's current hold
	fence    token // the last token, as the store remembers it
	high     token // the highest token ever granted
	queue    [5]place
	released [2*claimants + 1]bool // the claims whose release is remembered
}

// A place in the queue is kept for a moment after its holder was passed over.
type place struct {
	of     id
	passed bool
}

// A message means that its addressee should ask. With some flaws it means more.
type message struct {
	to    id
	dated bool // published by the old primary
	lease
}

type request struct {
	kind  kind
	of    id
	to    id // the receiver of a pass
	yield bool
	undo  bool // a release of what a departed waiter may have
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
	refused  // the claim has been released already
	unqueued // free or held by another, and the claimant is not in the queue
	failed   // no answer
)
