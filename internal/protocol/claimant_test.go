package protocol_test

// The claimants' part: what a process does for the one who waits, works or leaves.

func (s *step) self(c int) id { return s.idOf(&s.system, c) }

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

// rouse has the first in line ask the store, unless it is told anyway.
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

func (s *step) send(c int, k kind, of id) {
	s.claimants[c].answer = answer{}
	s.claimants[c].request = request{kind: k, of: of, state: sent}
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
	*me = claimant{phase: holding, again: me.again, gaveUp: me.gaveUp, lease: l}
}

// handed is what a waiter does that was given the lock while it waited: if the
// deadline has passed already, it asks.
func (s *step) handed(c int, l lease, news bool) {
	me := &s.claimants[c]
	s.home(c).holder, me.passing, me.known = s.self(c), false, true
	switch {
	case news && s.flaw == countsFromReceipt:
		l.over = true // the deadline that counts is a later one, for which the store does not wait
	case l.over && news && s.flaw == trustsLateMessage:
	case l.over:
		me.ask = true
		return
	}
	s.work(c, l)
}

// hear is what happens to a message that arrives.
func (s *step) hear(msg message) {
	c := claimantOf(msg.to)
	me := &s.claimants[c]
	mine := s.self(c) == msg.to || s.flaw == trustsMessageToEarlierSelf
	switch {
	case !mine || me.phase != waiting:
	case s.reuses && s.flaw != trustsMessageToEarlierSelf:
		me.ask = true // it may be about an earlier claim
	default:
		l := msg.lease
		if s.miscounted(msg) { // the deadline that counts is a later one
			s.home(c).holder, me.passing, me.known = s.self(c), false, true
			s.work(c, lease{l.token, true})
			return
		}
		s.handed(c, l, true)
	}
}

// hearAnswer is what a claimant does when the store has answered.
func (s *step) hearAnswer(c int) {
	me := &s.claimants[c]
	r, a := me.request, me.answer
	me.request, me.answer = request{}, answer{}
	switch r.kind {
	case enqueue, try:
		s.hearEnqueued(c, a)
	case refresh:
		switch {
		case a.verdict == no:
			s.lose(c)
		case a.over && s.flaw == trustsLateRefresh:
			me.lease.over = false
		}
	case release:
		s.home(c).quit(s, r.of)
		me.phase = gone
	case pass:
		s.hearPassed(c, r, a)
	case nothing:
	}
}

func (p *process) quit(s *step, i id) {
	s.vacate(p, i)
	s.rouse(p)
}

func (s *step) hearEnqueued(c int, a answer) {
	me, p := &s.claimants[c], s.home(c)
	switch {
	case a.verdict == granted && a.over: // as good as refused: the deadline has passed
		s.lose(c)
	case a.verdict == granted:
		s.work(c, a.lease)
	case me.phase == trying && me.known && s.flaw != believesTheLastRefusal:
		s.leave(c) // an earlier request is on its way, and may yet get the lock
	case me.phase == trying:
		me.phase = gone
	default:
		me.alarm = true
		// What made the process think that it has the lock was old news.
		if p.holder == s.self(c) && s.flaw != takesOldNewsForItsOwn {
			p.holder = nobody
		}
	}
}

// hearPassed ends the letting go of c, which handed the lock to another of its
// process.
func (s *step) hearPassed(c int, r request, a answer) {
	s.claimants[c].phase = gone
	p, next := s.home(c), claimantOf(r.to)
	other := &s.claimants[next]
	mine := s.self(next) == r.to
	switch {
	case mine && other.phase == waiting && a.verdict == granted:
		s.handed(next, a.lease, false)
	case mine && other.phase == waiting:
		other.passing, other.alarm, other.known = false, a.verdict == queued, true
		other.ask = !other.alarm
		p.holder = nobody
	case mine && other.phase == holding && s.flaw != lettingGoForOneWhoHolds:
		// A repeated request tells late of a grant that it has heard of in another way.
	default:
		// It has left, perhaps without a word to the store, so that is done in its name.
		s.claimants[c].phase = lettingGo
		s.send(c, release, r.to)
	}
	s.vacate(p, r.of)
}

// lose ends the work of a holder whose deadline has passed, or who was told that
// it has lost the lock. It tells the store, in case that it has not.
func (s *step) lose(c int) {
	me := &s.claimants[c]
	s.home(c).leave(c)
	s.abandon(c)
	me.phase, me.lease = lettingGo, lease{}
	s.send(c, release, s.self(c))
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
		s.send(c, release, s.self(c))
		return
	}
	s.claimants[f].passing = true
	s.send(c, pass, s.self(c))
	me.request.to, me.request.yield = s.self(f), yield
}

// leave ends the waiting of one who got nothing.
func (s *step) leave(c int) {
	me, p := &s.claimants[c], s.home(c)
	p.leave(c)
	s.rouse(p)
	known := me.known
	s.abandon(c)
	*me = claimant{phase: gone, again: me.again, gaveUp: me.gaveUp}
	if known && s.flaw != leavesWithoutAWord {
		me.phase = lettingGo
		s.send(c, release, s.self(c))
	}
}

// giveUp ends the letting go of one whom the store does not answer. What comes of
// the request is unknown: whoever it is about finds out, if it still waits.
func (s *step) giveUp(c int) {
	r := s.claimants[c].request
	s.abandon(c)
	for _, i := range []id{r.of, r.to} {
		if i != nobody {
			s.claimants[claimantOf(i)].gaveUp = true
		}
	}
	me := &s.claimants[c]
	me.request, me.answer = request{}, answer{}
	if r.kind == pass {
		s.hearPassed(c, r, answer{})
		me.request = request{}
	}
	me.phase = gone
	s.home(c).quit(s, r.of)
}
