package protocol_test

// happen lets an event happen, if it can.
func (s *step) happen(e event) bool {
	if e.isMishap() {
		s.system.mishaps++
	}
	switch e.what {
	case failsOver:
		return e.who == 0 && s.failOver()
	case subscribesAgain:
		at := s.processes[e.who].elsewhere
		s.processes[e.who].elsewhere = false
		return at
	case isHeard, deadlineOfMessagePasses, messageIsLost, isDoubled:
		return e.who < len(s.messages) && s.messages[e.who].to != nobody && s.message(e)
	case strayArrives, strayIsLost:
		return e.who < len(s.strays) && s.strays[e.who].kind != nothing && s.stray(e)
	case processDies, processGoesDeaf:
		return e.who < processes && s.processes[e.who].health == well && s.crash(e)
	case leaseExpires:
		return e.who == 0 && s.expire()
	case strangerTakes, strangerLetsGo:
		return e.who == 0 && s.foreign && s.strange(e.what)
	case joins, triesOnce, leaves, givesUp, returns:
		return s.choice(e)
	default:
		return s.course(e)
	}
}

// course is what a claimant goes through without a choice.
func (s *step) course(e event) bool {
	me := &s.claimants[e.who]
	pending := me.request.state
	switch e.what {
	case asks:
		if !s.mayAsk(e.who) {
			return false
		}
		me.ask, me.alarm, me.known = false, false, true
		s.send(e.who, enqueue, s.self(e.who))
	case arrives:
		if pending != sent {
			return false
		}
		a := s.apply(me.request)
		me.oldAnswer = false
		if me.phase == crashed {
			me.request = request{}
			return true
		}
		me.answer, me.request.state = a, answered
	case isAnswered:
		if pending != answered {
			return false
		}
		s.hearAnswer(e.who)
	case answerIsLost:
		if pending != answered {
			return false
		}
		me.answer, me.request.state = answer{}, sent
	case isRepeated:
		if pending != sent || me.phase == crashed {
			return false
		}
		s.strand(me.request)
		me.known = true
	case refreshes:
		if me.phase != holding || pending != unsent || !s.refreshes || e.who > 0 { // one who does is enough
			return false
		}
		s.send(e.who, refresh, s.self(e.who))
	case finishes:
		if me.phase != holding {
			return false
		}
		s.finish(e.who, false)
	case finishesYielding:
		if me.phase != holding || s.home(e.who).first() < 0 {
			return false
		}
		s.finish(e.who, true)
	case deadlinePasses:
		if me.phase != holding {
			return false
		}
		if s.flaw == trustsLateRefresh && me.request.kind == refresh {
			if me.lease.over {
				return false
			}
			me.lease.over = true
			return true
		}
		s.lose(e.who)
	case deadlineOfAnswerPasses:
		if me.answer.token == 0 || me.answer.over {
			return false
		}
		me.answer.over = true
	default:
		return false
	}
	return true
}

// choice is what a claimant may do or not.
func (s *step) choice(e event) bool {
	me := &s.claimants[e.who]
	if s.home(e.who).health != well {
		return false
	}
	tries := s.tries && e.who == claimants-1
	switch {
	case e.what == joins && me.phase == idle && e.who < claimants-s.absent && !tries:
		me.phase, me.ask = waiting, true
		s.home(e.who).join(e.who)
	case e.what == triesOnce && me.phase == idle && tries:
		me.phase = trying
		s.send(e.who, try, s.self(e.who))
	case e.what == leaves && (me.phase == waiting || me.phase == trying):
		me.known = me.known || me.phase == trying
		s.leave(e.who)
	case e.what == givesUp && me.phase == lettingGo && me.request.state == sent:
		s.giveUp(e.who)
	case e.what == returns && me.phase == gone && s.returns && e.who == 0 && me.again == 0:
		*me = claimant{again: 1, gaveUp: me.gaveUp}
	default:
		return false
	}
	return true
}

func (s *step) message(e event) bool {
	msg := s.messages[e.who]
	switch e.what {
	case isDoubled:
		if me := s.claimants[claimantOf(msg.to)]; s.topology&doubled == 0 || msg.copy || me.phase == waiting && me.request.state != unsent {
			return false
		}
		s.messages[e.who].copy = true
		s.hear(msg)
	case isHeard:
		// The news are looked at between two requests.
		if me := s.claimants[claimantOf(msg.to)]; me.phase == waiting && me.request.state != unsent {
			return false
		}
		s.messages[e.who] = message{}
		s.hear(msg)
	case deadlineOfMessagePasses:
		s.messages[e.who].over = true
		return !msg.over
	default:
		s.messages[e.who] = message{}
	}
	return true
}

// failOver makes the replica the primary, which has all data. Who has subscribed
// stays so at the old one.
func (s *step) failOver() bool {
	if s.topology == 0 || s.failedOver {
		return false
	}
	s.failedOver = true
	for i := range s.messages {
		s.messages[i].old = s.messages[i].to != nobody
	}
	for c := range s.claimants {
		me := &s.claimants[c]
		me.oldAnswer = me.phase == waiting && (me.alarm || me.request.state == answered)
	}
	for p := range s.processes {
		s.processes[p].elsewhere = s.topology&uncounted != 0 && s.processes[p].health == well
	}
	return true
}

// miscounted is whether the end of the lease may be counted too late, because the
// message has the time of another clock than the last answer.
func (s *step) miscounted(msg message) bool {
	me := s.claimants[claimantOf(msg.to)]
	switch {
	case me.phase != waiting || !s.failedOver || me.oldAnswer == msg.old:
		return false
	case msg.copy:
		return s.topology&doubled != 0 && s.topology&otherClock != 0
	case msg.old:
		return s.topology&outdated != 0 && s.topology&otherClock != 0
	default:
		return s.topology&^otherClock == 0
	}
}

// strand leaves a request to itself. The model has room for few.
func (s *step) strand(r request) {
	r.state = unsent
	if s.reuses {
		return
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

// stray is what becomes of a request that nobody waits for. An attempt to get
// the lock that arrives so late is undone by the process, once it sees the answer.
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
	wanted := s.self(c) == of && (me.phase == waiting || me.phase == trying || me.phase == holding)
	if !wanted && s.home(c).health == well {
		s.strand(request{kind: release, of: of})
	}
}

// crash ends a process. What it has sent may still arrive.
func (s *step) crash(e event) bool {
	s.processes[e.who] = process{health: dead}
	if e.what == processGoesDeaf {
		s.processes[e.who].health = deaf
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

// expire ends the lease in the store, which cannot happen before all deadlines
// that were counted from the beginning of that lease, or earlier, have passed.
func (s *step) expire() bool {
	h := s.store.holder
	if h == nobody || h == stranger {
		return false
	}
	for c, me := range s.claimants {
		about := me.request.of
		if me.request.kind == pass {
			about = me.request.to
		}
		if me.phase == holding && s.self(c) == h && !me.lease.over || me.answer.token != 0 && about == h && !me.answer.over {
			return false
		}
	}
	for _, msg := range s.messages {
		if msg.to == h && !msg.over && !s.miscounted(msg) {
			return false
		}
	}
	s.free(h)
	return true
}

// strange is what a client does that uses the same key in the well-known way. It
// queues nowhere, and serves nobody when it lets go.
func (s *step) strange(w what) bool {
	switch {
	case w == strangerTakes && s.store.holder == nobody:
		s.store.holder = stranger
	case w == strangerLetsGo && s.store.holder == stranger:
		s.free(stranger)
	default:
		return false
	}
	return true
}
