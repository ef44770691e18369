package protocol_test

import "github.com/effectlock/effectlock/internal/turn"

// The processes' part: what package mutex does around the step of package turn.

// self is the holder id under which the store knows a claimant.
func (s *step) self(c int) id { return s.holder(s.claim(c)) }

func (s *step) home(c int) *process { return &s.processes[s.process[c]] }

func (s *step) turnOf(c int) *snapshot { return &s.turns.states[s.home(c).turn] }

// waiterOf returns a waiter as its process knows it. A waiter missing from the state is out.
func (s *step) waiterOf(c int) turn.Waiter {
	if w := s.turnOf(c).waiters[s.claim(c)]; w != nil {
		return *w
	}
	return turn.Waiter{Phase: turn.Out}
}

func (s *step) send(c int, k kind, of id) {
	s.claimants[c].answer = answer{}
	s.claimants[c].request = request{kind: k, of: of, state: sent}
}

// turn applies an event in the process of a claimant, which carries out the actions that are
// for the caller of the step. It reports whether there were any.
func (s *step) turn(c int, k stepKey) (busy bool) {
	k.state = s.home(c).turn
	r := s.turns.step(k)
	s.home(c).turn = r.state
	s.must(r.wrong == "", r.wrong)
	for _, a := range r.actions {
		switch a.do {
		case turn.Ask:
			s.ask(a.to)
		case turn.Accept:
			s.claimants[claimantOf(a.to)].accepts = true
		case turn.Pass:
			s.send(c, pass, a.of)
			s.claimants[c].request.to, s.claimants[c].request.yield = a.to, a.yield
			busy = true
		case turn.Release:
			s.send(c, release, a.of)
			busy = true
		case turn.Undo:
			s.send(c, release, a.to)
			s.claimants[c].request.undo = true
			busy = true
		case turn.Nothing, turn.Sleep:
		}
	}
	return busy
}

func (s *step) ask(of id) {
	c := claimantOf(of)
	me := &s.claimants[c]
	s.must(s.claim(c) == of && me.request.state == unsent, "a claimant was made to ask that had left or was already asking")
	switch me.phase {
	case waiting:
		s.send(c, enqueue, of)
	case trying:
		s.send(c, try, of)
	default:
		s.must(false, "a claimant was made to ask that had left or was already asking")
	}
}

// sendAgain repeats a request that got no answer.
func (s *step) sendAgain(c int) {
	me := &s.claimants[c]
	if me.request.kind == enqueue || me.request.kind == try {
		s.turn(c, stepKey{kind: turn.Failed, to: s.claim(c)})
		s.turn(c, stepKey{kind: turn.Retried, to: s.claim(c)})
	}
	me.answer, me.request.state = answer{}, sent
}

// due ends a waiter's sleep: it should ask.
func (s *step) due(c int) bool {
	if s.waiterOf(c).Until.IsZero() {
		return false
	}
	s.turn(c, stepKey{kind: turn.Due, to: s.claim(c)})
	return true
}

// poll makes a waiter ask because its retry policy says so.
func (s *step) poll(c int) bool {
	if s.waiterOf(c).Phase != turn.Polling {
		return false
	}
	s.turn(c, stepKey{kind: turn.PolicyDue, to: s.claim(c)})
	return true
}

// accept is how a waiter takes the lock that it was granted: it asks again if the
// deadline has passed already.
func (s *step) accept(c int) bool {
	me := &s.claimants[c]
	me.accepts = false
	if me.lease.over && !s.trustsMessages() && s.flaw != countsFromReceipt {
		me.lease = lease{}
		s.turn(c, stepKey{kind: turn.Declined, to: s.claim(c)})
		return true
	}
	s.turn(c, stepKey{kind: turn.Accepted, to: s.claim(c)})
	s.work(c)
	return true
}

// work is where a claimant begins to believe that it has the lock.
func (s *step) work(c int) {
	me := &s.claimants[c]
	s.must(me.phase == waiting || me.phase == trying, "a claimant that had left began to work")
	*me = claimant{phase: holding, again: me.again, lease: me.lease}
}

// receive delivers a message: the waiter asks. Taking the message for a grant is a
// flaw.
func (s *step) receive(msg message) {
	c := claimantOf(msg.to)
	me := &s.claimants[c]
	if s.self(c) != msg.to || me.phase != waiting {
		return
	}
	late := s.miscounted(msg)
	s.turn(c, stepKey{kind: turn.Woken, to: s.claim(c)})
	switch {
	case !s.trustsMessages() || !me.accepts:
	case late:
		me.lease = lease{msg.token, true} // the deadline that it relies on is later
		s.accept(c)
	case msg.over:
		me.accepts = false
		s.turn(c, stepKey{kind: turn.Declined, to: s.claim(c)})
	default:
		me.lease = msg.lease
		s.accept(c)
	}
}

// receiveAnswer delivers the store's answer to a claimant.
func (s *step) receiveAnswer(c int) {
	me := &s.claimants[c]
	r, a := me.request, me.answer
	switch r.kind {
	case enqueue, try:
		s.acquired(c, a)
		return
	case refresh:
		me.request, me.answer = request{}, answer{}
		switch {
		case a.verdict == no:
			s.lose(c)
		case a.over && s.flaw == trustsLateRefresh:
			me.lease.over = false
		}
	case release:
		me.request, me.answer = request{}, answer{}
		me.phase = gone
		s.gaveUp[r.of] = false // the store knows by now
		s.freed(c, r)
	case pass:
		me.request, me.answer = request{}, answer{}
		s.passed(c, r, a)
	case nothing:
	}
}

// acquired handles the answer to enqueue or try.
func (s *step) acquired(c int, a answer) {
	me := &s.claimants[c]
	if a.verdict == granted && a.over && s.flaw != countsFromReceipt {
		s.sendAgain(c) // like no answer: the deadline has passed
		return
	}
	me.request, me.answer = request{}, answer{}
	switch {
	case a.verdict == granted:
		me.lease = a.lease
		s.turn(c, stepKey{kind: turn.Answered, to: s.claim(c), verdict: granted})
		s.accept(c)
	case me.phase == trying:
		s.turn(c, stepKey{kind: turn.Answered, to: s.claim(c), verdict: unqueued})
		s.leave(c)
	default:
		s.must(a.verdict != refused, "a waiter was refused as if it had released")
		s.turn(c, stepKey{kind: turn.Answered, to: s.claim(c), verdict: a.verdict})
		if p := s.home(c); a.uncounted && p.subscription == elsewhere {
			p.subscription = replaced
		}
	}
}

// passed ends the release of c, which handed the lock to another claimant of its process.
func (s *step) passed(c int, r request, a answer) {
	next := &s.claimants[claimantOf(r.to)]
	busy := s.turn(c, stepKey{kind: turn.Passed, of: r.of, to: r.to, verdict: a.verdict, yield: r.yield})
	if next.accepts {
		next.lease = a.lease
	}
	if !busy {
		s.claimants[c].phase = gone
	}
	if s.claimants[c].request.of != r.of {
		s.turn(c, stepKey{kind: turn.Freed, of: r.of})
	}
}

// lose ends the work of a holder whose deadline has passed, or to which the store
// said that the lock is lost. It releases all the same: the store may not have noticed.
func (s *step) lose(c int) {
	me := &s.claimants[c]
	s.abandon(c)
	me.phase, me.lease = releasing, lease{}
	s.send(c, release, s.claim(c))
	s.turn(c, stepKey{kind: turn.Freed, of: s.claim(c)})
}

// finish ends the work and releases the lock: to the next in line in this process,
// if there is one.
func (s *step) finish(c int, yield bool) {
	me := &s.claimants[c]
	s.abandon(c)
	me.phase, me.lease = releasing, lease{}
	me.request, me.answer = request{}, answer{}
	s.turn(c, stepKey{kind: turn.Releasing, of: s.claim(c), yield: yield})
}

// leave ends the wait of a claimant that got nothing.
func (s *step) leave(c int) {
	me := &s.claimants[c]
	s.abandon(c)
	*me = claimant{phase: releasing, again: me.again}
	if !s.turn(c, stepKey{kind: turn.Left, to: s.claim(c)}) {
		me.phase = gone
	}
}

// giveUp ends a release that the store does not answer. The outcome is unknown: the
// claimant that the request is about finds out, if it still waits.
func (s *step) giveUp(c int) {
	me := &s.claimants[c]
	r := me.request
	s.abandon(c)
	for _, i := range []id{r.of, r.to} {
		if i != nobody {
			s.gaveUp[i] = true
		}
	}
	me.request, me.answer = request{}, answer{}
	if r.kind == pass {
		s.turn(c, stepKey{kind: turn.Passed, of: r.of, to: r.to, verdict: failed, yield: r.yield})
		me.request = request{}
	}
	me.phase = gone
	s.freed(c, r)
}

// freed ends a release.
func (s *step) freed(c int, r request) {
	k := turn.Freed
	if r.undo {
		k = turn.Undone
	}
	s.turn(c, stepKey{kind: k, of: r.of})
}
