package protocol_test

// The claimants' part: what a process does for the one who waits, works or leaves.

// self is a claimant as the store knows it, as the holder.
func (s *step) self(c int) id { return s.holder(s.claim(c)) }

func (s *step) home(c int) *process { return &s.processes[s.process[c]] }

// first is the first in line of a process, -1 if nobody waits.
func (p *process) first() int { return int(p.line[0]) - 1 }

func (p *process) join(c int) {
	for i := range p.line {
		if p.line[i] == 0 {
			p.line[i] = uint8(c) + 1
			return
		}
	}
}

func (p *process) leave(c int) {
	for i := range p.line {
		if p.line[i] == uint8(c)+1 {
			copy(p.line[i:], p.line[i+1:])
			p.line[claimants-1] = 0
			return
		}
	}
}

// rouse makes the first in line ask the store, unless it has set an alarm.
func (s *step) rouse(p *process) {
	if f := p.first(); p.holder == nobody && f >= 0 && !s.claimants[f].alarm {
		s.claimants[f].ask = true
	}
}

func (s *step) vacate(p *process, i id) {
	if p.holder == i {
		p.holder = nobody
		s.rouse(p)
	}
}

func (s *step) send(c int, k kind) {
	s.claimants[c].answer = answer{}
	s.claimants[c].request = request{kind: k, of: s.claim(c), state: sent}
}

// mayAsk is whether a waiter may ask the store for the lock now.
func (s *step) mayAsk(c int) bool {
	me, p := &s.claimants[c], s.home(c)
	if me.phase != waiting || me.request.state != unsent || me.passing || p.first() != c {
		return false
	}
	if me.ask {
		return p.holder == nobody || p.holder == s.self(c)
	}
	return me.alarm && p.holder == nobody && s.flaw != neverAsksAgain
}

// work is where a claimant begins to believe that it has the lock.
func (s *step) work(c int, l lease) {
	me, p := &s.claimants[c], s.home(c)
	s.must(me.phase == waiting || me.phase == trying, "one who had left began to work")
	p.leave(c)
	p.holder = s.self(c)
	*me = claimant{phase: holding, again: me.again, lease: l}
}

// handed is what a waiter does that a holder of its process has handed the lock
// to: if the deadline has passed already, it asks.
func (s *step) handed(c int, l lease) {
	me := &s.claimants[c]
	s.home(c).holder, me.passing, me.known = s.self(c), false, true
	if l.over {
		me.ask = true
		return
	}
	s.work(c, l)
}

// receive is what happens to a message that arrives: the waiter asks. To take it
// for a grant is a flaw.
func (s *step) receive(msg message) {
	c := claimantOf(msg.to)
	me := &s.claimants[c]
	switch {
	case s.self(c) != msg.to || me.phase != waiting:
	case s.miscounted(msg):
		me.passing, me.known = false, true
		s.work(c, lease{msg.token, true}) // the deadline that it goes by is a later one
	case s.trustsMessages():
		s.handed(c, msg.lease)
	default:
		me.ask = true
	}
}

// receiveAnswer is what a claimant does when the store has answered.
func (s *step) receiveAnswer(c int) {
	me := &s.claimants[c]
	r, a := me.request, me.answer
	me.request, me.answer = request{}, answer{}
	switch r.kind {
	case enqueue, try:
		s.acquired(c, a)
	case refresh:
		switch {
		case a.verdict == no:
			s.lose(c)
		case a.over && s.flaw == trustsLateRefresh:
			me.lease.over = false
		}
	case release:
		s.home(c).quit(s, s.holder(r.of))
		me.phase = gone
		s.gaveUp[r.of] = false // by now the store knows
	case pass:
		s.passed(c, r, a)
	case nothing:
	}
}

func (p *process) quit(s *step, i id) {
	s.vacate(p, i)
	s.rouse(p)
}

// acquired is what follows from the answer to enqueue or try.
func (s *step) acquired(c int, a answer) {
	me, p := &s.claimants[c], s.home(c)
	switch {
	case a.verdict == granted && a.over && s.flaw != countsFromReceipt: // as good as refused: the deadline has passed
		s.lose(c)
	case a.verdict == granted:
		s.work(c, a.lease)
	case me.phase == trying && me.known && s.flaw != believesTheLastRefusal:
		s.leave(c) // an earlier request is on its way, and may yet get the lock
	case me.phase == trying:
		me.phase = gone
	default:
		s.must(a.verdict != refused, "one who waits was refused as if it had released")
		me.alarm = true
		// It was handed the lock, and the lease has come to an end before it was used.
		if p.holder == s.self(c) && s.flaw != keepsExpiredHandover {
			p.holder = nobody
		}
		if a.uncounted && p.subscription == elsewhere {
			p.subscription = replaced
		}
	}
}

// passed ends the letting go of c, which handed the lock to another of its
// process.
func (s *step) passed(c int, r request, a answer) {
	s.claimants[c].phase = gone
	p, next := s.home(c), claimantOf(r.to)
	other := &s.claimants[next]
	mine := s.claim(next) == r.to
	switch {
	case mine && other.phase == waiting && a.verdict == granted:
		s.handed(next, a.lease)
	case mine && other.phase == waiting:
		other.passing, other.alarm, other.known = false, a.verdict == queued, true
		other.ask = !other.alarm
		p.holder = nobody
	case mine && other.phase == holding:
		s.must(false, "one who is handed the lock has it already")
	default:
		// It has left, perhaps without telling the store, so that is done in its name.
		s.claimants[c].phase = lettingGo
		s.send(c, release)
		s.claimants[c].request.of = r.to
	}
	if a.verdict == no && s.flaw != leavesAfterARefusal {
		// The store did not note that it has let go, and a request of it may be on its way.
		s.claimants[c].phase = lettingGo
		s.send(c, release)
	}
	s.vacate(p, s.holder(r.of))
}

// lose ends the work of a holder whose deadline has passed, or that was told that
// it has lost the lock. It releases all the same: the store may not have noticed.
func (s *step) lose(c int) {
	me := &s.claimants[c]
	s.home(c).leave(c)
	s.abandon(c)
	me.phase, me.lease = lettingGo, lease{}
	s.send(c, release)
	s.home(c).quit(s, s.self(c))
}

// finish ends the work and lets go of the lock: to the next in line of this
// process, if there is one.
func (s *step) finish(c int, yield bool) {
	me, p := &s.claimants[c], s.home(c)
	s.abandon(c)
	me.phase, me.lease = lettingGo, lease{}
	f := p.first()
	if f < 0 {
		s.send(c, release)
		return
	}
	s.claimants[f].passing = true
	s.send(c, pass)
	me.request.to, me.request.yield = s.claim(f), yield
}

// leave ends the waiting of one who got nothing.
func (s *step) leave(c int) {
	me, p := &s.claimants[c], s.home(c)
	p.leave(c)
	s.rouse(p)
	known := me.known
	s.abandon(c)
	*me = claimant{phase: gone, again: me.again}
	if known && s.flaw != leavesSilently {
		me.phase = lettingGo
		s.send(c, release)
	}
}

// giveUp ends the letting go of one whom the store does not answer. What comes of
// the request is unknown: whoever it is about finds out, if it still waits.
func (s *step) giveUp(c int) {
	r := s.claimants[c].request
	s.abandon(c)
	for _, i := range []id{r.of, r.to} {
		if i != nobody {
			s.gaveUp[i] = true
		}
	}
	me := &s.claimants[c]
	me.request, me.answer = request{}, answer{}
	if r.kind == pass {
		s.passed(c, r, answer{})
		me.request = request{}
	}
	me.phase = gone
	s.home(c).quit(s, s.holder(r.of))
}
