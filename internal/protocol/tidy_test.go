package protocol_test

import "slices"

// tidy brings a system into a form that it shares with all systems that behave alike.
func (m *model) tidy(s *system) {
	for i := range s.messages {
		if to := s.messages[i].to; to != nobody && !m.matters(s, to) {
			s.messages[i] = message{}
		} else if s.messages[i].over {
			s.messages[i].token = 1
		}
	}
	for c := range s.claimants {
		me := &s.claimants[c]
		if me.answer.over && m.flaw != countsFromReceipt {
			me.answer.token = 1
		}
	}
	for i := range s.gaveUp {
		s.gaveUp[i] = s.gaveUp[i] && (m.isCurrent(s, id(i)) || m.mentions(s, id(i)))
	}
	for i := range s.store.released {
		// Otherwise nothing under way could be refused.
		s.store.released[i] = s.store.released[i] && (s.acquires(id(i)) || m.flaw == forgetsAttempts)
	}
	for i := len(s.store.queue) - 1; i >= 0; i-- {
		// Its process will not ask again.
		if p := s.store.queue[i]; p.passed && s.processes[m.process[claimantOf(p.of)]].health != well {
			s.store.unqueue(p.of)
		}
	}
	m.rank(s)
	// Messages and strays are sets, so their order does not matter: sort them and drop duplicates.
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

// matters reports whether a message to a holder can still make a difference.
func (m *model) matters(s *system, to id) bool {
	c := claimantOf(to)
	me := s.claimants[c]
	switch {
	case s.processes[m.process[c]].health != well:
		return false
	case m.reuses && m.returns && c == 0 && me.again == 0:
		return true
	default:
		if m.holder(s.claim(c)) != to || me.phase != waiting {
			return false
		}
		w := m.turns.states[s.processes[m.process[c]].turn].waiters[s.claim(c)]
		return m.trustsMessages() || w != nil && when(w.AskAt) != 1 // otherwise it asks as soon as it may
	}
}

// before puts empty ones last.
func (a message) before(b message) bool {
	return a.to != nobody && (b.to == nobody || a.key() < b.key())
}

func (a message) key() int {
	return int(a.to)<<8 | int(a.token)<<2 | bit(a.over)<<1 | bit(a.dated)
}

func (a request) before(b request) bool {
	return a.kind != nothing && (b.kind == nothing || a.key() < b.key())
}

func (a request) key() int {
	return int(a.kind)<<16 | int(a.of)<<8 | int(a.to)<<1 | bit(a.yield)
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// rank replaces the tokens by small numbers in the same order. All tokens below
// those of the current holder count as equally old.
func (m *model) rank(s *system) {
	low, high := s.store.since, max(s.store.fence, s.store.high)
	if low == 0 {
		low = high + 1
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
	rank(&s.store.since)
	rank(&s.store.fence)
	rank(&s.store.high)
}

// isCurrent reports whether i is the claim of a claimant that has not left.
func (m *model) isCurrent(s *system, i id) bool {
	me := s.claimants[claimantOf(i)]
	return s.claim(claimantOf(i)) == i && me.phase != gone && me.phase != releasing
}

// mentions reports whether the store, or a request, is about the claim i.
func (m *model) mentions(s *system, i id) bool {
	return s.store.holder == m.holder(i) || s.store.at(m.holder(i)) >= 0 || s.requests(func(r request) bool { return r.of == i || r.to == i })
}

// acquires reports whether a request under way may get the lock for the claim i.
func (s *system) acquires(i id) bool {
	return s.requests(func(r request) bool { return (r.kind == enqueue || r.kind == try) && r.of == i || r.to == i })
}

// requests reports whether a request for which is holds is under way, or about to be.
func (s *system) requests(is func(request) bool) bool {
	about := func(r request) bool { return r.kind != nothing && is(r) }
	return slices.ContainsFunc(s.strays[:], about) ||
		slices.ContainsFunc(s.claimants[:], func(o claimant) bool { return about(o.request) })
}
