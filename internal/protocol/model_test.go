package protocol_test

import "slices"

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
	mishaps   uint8          // how often something goes wrong; what is late, goes wrong without end
	flaw      flaw
	topology  topology
	only      string // the one thing that is looked for, "" for everything
}

// A topology is what a failover in good order, which loses no data, may do.
type topology uint8

const (
	// A subscription stays with the old primary, and what is published to it is
	// replicated there: it is received though the publisher counted nobody.
	uncounted topology = 1 << iota
	// A message is received a second time, from the old primary.
	doubled
	// A message that the old primary published is received after the failover.
	outdated
	// The clock of the new primary is another one.
	otherClock
)

const claimants, processes = 3, 3

// A flaw is one way to get the protocol wrong.
type flaw int

const (
	sound flaw = iota
	trustsLateMessage
	countsFromReceipt
	trustsLateRefresh
	trustsMessageToEarlierSelf
	releasesUnseen
	passesUnseen
	grantsUnseen
	countsTokensAnew
	stopsAtTheDead
	servesLastFirst
	losesThePlace
	leavesWithoutAWord
	believesTheLastRefusal
	lettingGoForOneWhoHolds
	takesOldNewsForItsOwn
	neverAsksAgain
)

// An id is a claimant as the store sees it: under another name each time it
// comes, if it does not reuse its holder id.
type id uint8

const (
	nobody   id = 0
	stranger id = 2*claimants + 1 // the foreign client
)

func (m *model) idOf(s *system, c int) id {
	if m.reuses {
		return id(2*c + 1)
	}
	return id(2*c + 1 + int(s.claimants[c].again))
}

func claimantOf(i id) int { return int(i-1) / 2 }

// A system is everything at one moment. It is comparable: two that are equal
// behave the same. Time is not in it. It shows as events that may happen at any
// moment after another: the deadline that a claimant goes by passes, and
// when it has, the store may end the lease. That order is the one assumption on clocks.
//
// A process that is paused needs no state either: it is one in which nothing
// happens for long. Only one that never goes on differs from that.
type system struct {
	claimants  [claimants]claimant
	processes  [processes]process
	store      store
	messages   [3]message // published, and not received
	strays     [2]request // sent, and no longer waited for
	mishaps    uint8      // so far
	failedOver bool
}

type claimant struct {
	phase     phase
	again     uint8 // 1 the second time
	ask       bool  // the store, as soon as it may
	alarm     bool  // set, by which it asks again
	known     bool  // to the store, perhaps
	passing   bool  // a holder is handing the lock to it
	gaveUp    bool  // letting go, as the store did not answer
	lease     lease // that it works under
	request   request
	answer    answer
	oldAnswer bool // the last answer came from the old primary
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

// A lease is what a claimant or a message knows of a grant: its token, and
// whether the local deadline has passed.
type lease struct {
	token token
	over  bool
}

// A token is a rank: of the fencing tokens that are still about, only the order matters.
type token uint8

type process struct {
	line      [claimants]uint8 // of claimants, counted from 1; 0 is no one
	holder    id               // as far as the process knows, if it is one of its own
	health    health
	elsewhere bool // it is subscribed at the old primary
}

type health uint8

const (
	well health = iota
	dead        // the store sees that nobody listens
	deaf        // stopped for ever, cut off: what is sent to it is received by nobody
)

type store struct {
	holder id
	fence  token // last token, as the store remembers it
	high   token // highest token ever granted
	queue  [5]id
}

type message struct {
	to id
	lease
	old  bool // published by the old primary
	copy bool // received once already
}

type request struct {
	kind  kind
	of    id
	to    id // of a pass
	yield bool
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
	verdict verdict
	lease
}

type verdict uint8

const (
	no verdict = iota
	yes
	queued
	granted
)

// tidy brings a system into the form that all systems share that behave alike.
func (m *model) tidy(s *system) {
	for i := range s.messages {
		msg := &s.messages[i]
		if msg.to == nobody {
			continue
		}
		me := s.claimants[claimantOf(msg.to)]
		earlier := m.idOf(s, claimantOf(msg.to)) != msg.to || me.phase != waiting && me.phase != idle
		if s.processes[m.process[claimantOf(msg.to)]].health != well || earlier && !m.reuses {
			*msg = message{}
		} else if msg.over && m.flaw != trustsLateMessage {
			msg.token = 1
		}
	}
	for c := range s.claimants {
		me := &s.claimants[c]
		if me.answer.over {
			me.answer.token = 1
		}
		if me.phase == gone || me.phase == lettingGo {
			i := m.idOf(s, c)
			me.gaveUp = me.gaveUp && (m.returns || s.mentions(i))
		}
	}
	m.rank(s)
	// Messages and strays are sets, and need no order: sorted, with none twice.
	for i := range s.messages {
		for j := i + 1; j < len(s.messages); j++ {
			a, b := &s.messages[i], &s.messages[j]
			switch {
			case *a == *b:
				*b = message{}
			case b.before(*a):
				*a, *b = *b, *a
			}
		}
	}
	if a, b := &s.strays[0], &s.strays[1]; *a == *b {
		*b = request{}
	} else if b.before(*a) {
		*a, *b = *b, *a
	}
}

// before puts empty ones last.
func (a message) before(b message) bool {
	return a.to != nobody && (b.to == nobody || a.key() < b.key())
}

func (a message) key() int {
	key := int(a.to)<<8 | int(a.token)<<1
	if a.over {
		key |= 1
	}
	if a.old {
		key |= 1 << 16
	}
	if a.copy {
		key |= 1 << 17
	}
	return key
}

func (a request) before(b request) bool {
	return a.kind != nothing && (b.kind == nothing || a.key() < b.key())
}

func (a request) key() int {
	key := int(a.kind)<<16 | int(a.of)<<8 | int(a.to)<<1
	if a.yield {
		key |= 1
	}
	return key
}

// rank replaces the tokens by small numbers in the same order. All that are
// below both the store's are equally old.
func (m *model) rank(s *system) {
	low, high := s.store.fence, s.store.high
	if low > high {
		low, high = high, low
	}
	rank := func(t *token) {
		switch {
		case *t == 0:
		case *t < low:
			*t = 1
		case *t < high:
			*t = 2
		default:
			*t = 3
		}
	}
	for i := range s.claimants {
		rank(&s.claimants[i].lease.token)
		rank(&s.claimants[i].answer.token)
	}
	for i := range s.messages {
		rank(&s.messages[i].token)
	}
	rank(&s.store.fence)
	rank(&s.store.high)
}

// mentions reports whether the store, or a request, is about i.
func (s *system) mentions(i id) bool {
	about := func(r request) bool { return r.of == i || r.to == i }
	return s.store.holder == i || slices.Contains(s.store.queue[:], i) || slices.ContainsFunc(s.strays[:], about) ||
		slices.ContainsFunc(s.claimants[:], func(o claimant) bool { return about(o.request) })
}
