package protocol_test

import (
	"slices"

	"github.com/effectlock/effectlock/internal/turn"
)

func (s *step) message(e event) bool {
	msg := s.messages[e.who]
	me := s.claimants[claimantOf(msg.to)]
	// If a message is a grant, it is only received between requests.
	busy := s.trustsMessages() && me.phase == waiting && me.request.state != unsent
	switch {
	case e.what == deadlineOfMessagePasses:
		s.messages[e.who].over = true
		return s.trustsMessages() && !msg.over
	case e.what == messageIsLost:
		s.messages[e.who] = message{}
	case busy:
		return false
	case e.what == isReceived:
		s.messages[e.who] = message{}
		s.receive(msg)
	default:
		s.receive(msg)
	}
	return true
}

// strand leaves a request that nobody waits for. The model has room for few.
func (s *step) strand(r request) {
	r.state, r.undo = unsent, false
	if s.reuses && r.kind != enqueue && r.kind != try {
		return // it could concern another claim of the holder, and the store cannot tell
	}
	for i := range s.strays {
		if s.strays[i].kind == nothing {
			s.strays[i] = r
			return
		}
	}
}

// abandon ends the wait for the answer to a request.
func (s *step) abandon(c int) {
	if r := s.claimants[c].request; r.state == sent {
		s.strand(r)
	}
}

// stray decides the fate of a request that nobody waits for. An attempt to get
// the lock is refused if its claimant has released it. If the release was
// given up, so that the store may not know of it, the process undoes the attempt.
func (s *step) stray(e event) bool {
	r := s.strays[e.who]
	s.strays[e.who] = request{}
	if e.what == strayIsLost {
		return r.kind != release
	}
	s.apply(r)
	switch r.kind {
	case enqueue, try:
		s.undo(r.of)
	case pass:
		s.undo(r.to)
	default:
	}
	return true
}

func (s *step) undo(of id) {
	c := claimantOf(of)
	me := s.claimants[c]
	wanted := s.claim(c) == of && (me.phase == waiting || me.phase == trying || me.phase == holding)
	if s.gaveUp[of] && !wanted && s.home(c).health == well {
		s.strand(request{kind: release, of: of})
	}
}

// forget makes the store forget something. It remembers a release for as long as
// a request from that claimant may still be on its way.
func (s *step) forget(e event) bool {
	if e.what == releaseIsForgotten {
		return s.forgetRelease(e.who)
	}
	for _, p := range s.store.queue {
		if p.passed && claimantOf(p.of) == e.who {
			s.store.unqueue(p.of)
			return true
		}
	}
	return false
}

func (s *step) forgetRelease(c int) bool {
	for i := range s.store.released {
		if !s.store.released[i] || claimantOf(id(i)) != c {
			continue
		}
		if slices.ContainsFunc(s.claimants[:], func(o claimant) bool {
			return o.request.state == sent && (o.request.of == id(i) || o.request.to == id(i))
		}) {
			continue
		}
		s.store.released[i] = false
		for n, r := range s.strays {
			if r.kind != release && (r.of == id(i) || r.to == id(i)) {
				s.strays[n] = request{}
			}
		}
		return true
	}
	return false
}

// crash ends a process. Its requests may still arrive.
func (s *step) crash(e event) bool {
	s.processes[e.who] = process{health: dead}
	if e.what == processStops {
		s.processes[e.who].health = stopped
	}
	used := false
	for c := range s.claimants {
		if s.process[c] != e.who {
			continue
		}
		used = true
		r := s.claimants[c].request
		if r.state != sent {
			r = request{}
		}
		s.claimants[c] = claimant{phase: crashed, again: s.claimants[c].again, request: r}
	}
	return used
}

// failOver makes a replica with all the data the primary. The subscriptions of all
// processes, or of all but one, stay at the old primary.
func (s *step) failOver(but int) bool {
	for p := range s.processes {
		if s.processes[p].health == well && (p != but || but == 0) {
			s.processes[p].subscription = elsewhere
		}
	}
	if s.flaw != countsFromMessage {
		return true
	}
	moved := s.moved
	s.moved = true
	for i := range s.messages {
		s.messages[i].dated = s.messages[i].to != nobody
	}
	for c := range s.claimants {
		me := &s.claimants[c]
		me.dated = me.phase == waiting && (s.waiterOf(c).Phase == turn.Queued || me.request.state == answered)
	}
	return !moved
}

// subscribeAgain replaces a subscription that its process knows to be at the
// wrong server. Messages may have been lost, so the waiters ask.
func (s *step) subscribeAgain(p int) bool {
	at := &s.processes[p]
	if at.subscription != replaced {
		return false
	}
	at.subscription = counted
	if s.scattered {
		at.subscription = elsewhere
	}
	for c := range s.claimants {
		if s.process[c] == p && s.claimants[c].phase == waiting && !s.trustsMessages() {
			s.turn(c, stepKey{kind: turn.Woken, to: s.claim(c)})
		}
	}
	return true
}

// expire ends the lease in the store. That cannot happen until all deadlines
// counted from the beginning of that lease, or from earlier, have passed. A
// reservation has no such deadline.
func (s *step) expire() bool {
	h := s.store.holder
	if h == nobody || h == stranger || s.store.reserved && s.flaw == keepsReservations {
		return false
	}
	for c, me := range s.claimants {
		about := me.request.of
		if me.request.kind == pass {
			about = me.request.to
		}
		if (me.phase == holding || me.accepts) && s.self(c) == h && !me.lease.over || me.answer.token != 0 && s.holder(about) == h && !me.answer.over {
			return false
		}
	}
	for _, msg := range s.messages {
		if s.trustsMessages() && msg.to == h && !msg.over && !s.miscounted(msg) {
			return false
		}
	}
	s.free(h)
	return true
}

// miscounted reports whether the end of a lease that is counted from a message may
// be too late, because the message and the last answer are dated by different clocks.
func (s *step) miscounted(msg message) bool {
	me := s.claimants[claimantOf(msg.to)]
	return s.flaw == countsFromMessage && s.moved && me.phase == waiting && me.dated != msg.dated
}

// strange is a step of a client that uses the same key in the well-known way. It
// queues nowhere, and serves nobody when it releases.
func (s *step) strange(w what) bool {
	switch {
	case w == strangerTakes && s.store.holder == nobody:
		s.store.holder = stranger
	case w == strangerReleases && s.store.holder == stranger:
		s.free(stranger)
	default:
		return false
	}
	return true
}
