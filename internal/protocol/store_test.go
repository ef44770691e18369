package protocol_test

import "slices"

// A step is a system while one thing happens to it. What must never happen is
// noted as wrong.
type step struct {
	*model
	system
	wrong string
}

func (s *step) must(ok bool, otherwise string) {
	if !ok && s.wrong == "" && (s.only == "" || s.only == otherwise) {
		s.wrong = otherwise
	}
}

// give is the only way in which the lock gets a holder. Its two conditions are
// what a lock is: it is given when it is free, or by the one who has it; and each
// grant has a higher token than all before.
func (s *step) give(to, by id) token {
	t := s.store.fence + 1
	s.must(s.store.holder == nobody || s.store.holder == by, "the lock was given to a second holder")
	s.must(t > s.store.high, "the token of a grant was not higher than all before")
	s.store.holder, s.store.fence, s.store.high = to, t, max(s.store.high, t)
	return t
}

// free is the only way in which it loses one.
func (s *step) free(by id) {
	s.must(s.store.holder == by, "the lock was freed by one who did not have it")
	s.store.holder = nobody
	if s.flaw == countsTokensAnew {
		s.store.fence = 0
	}
}

// apply is the store's part: it does what a request asks for, and answers.
func (s *step) apply(r request) answer {
	before := s.store.queue
	var a answer
	switch r.kind {
	case try:
		a = s.applyTry(r.of)
	case enqueue:
		a = s.applyEnqueue(r.of)
	case refresh:
		if s.store.holder == r.of {
			a = answer{yes, lease{token: s.store.fence}}
		}
	case release:
		a = s.applyRelease(r.of)
	case pass:
		a = s.applyPass(r)
	case nothing:
	}
	s.must(inOrder(before[:], s.store.queue[:]), "one who waits was overtaken in the queue")
	return a
}

// inOrder reports whether those who are in both queues stand in the second as
// in the first, before all others.
func inOrder(before, after []id) bool {
	var stayed []id
	for _, i := range before {
		if i != nobody && slices.Contains(after, i) {
			stayed = append(stayed, i)
		}
	}
	return slices.Equal(stayed, after[:len(stayed)])
}

func (s *step) grant(to, by id) answer { return answer{granted, lease{token: s.give(to, by)}} }

func (s *step) applyTry(of id) answer {
	switch s.store.holder {
	case nobody:
		return s.grant(of, nobody)
	case of:
		return answer{granted, lease{token: s.store.fence}}
	default:
		return answer{}
	}
}

func (s *step) applyEnqueue(of id) answer {
	if s.store.holder == of {
		s.unqueue(of)
		return answer{granted, lease{token: s.store.fence}}
	}
	if s.flaw == grantsUnseen {
		return s.grant(of, nobody)
	}
	if s.store.holder == nobody && s.store.queue[0] == nobody {
		return s.grant(of, nobody)
	}
	if s.flaw == losesThePlace {
		s.unqueue(of)
	}
	s.queue(of)
	if s.store.holder == nobody && s.giveToFirst(of) == of {
		return answer{granted, lease{token: s.store.fence}}
	}
	return answer{verdict: queued}
}

// applyRelease answers yes also to one who has released before, which the store
// remembers; the model does not, as nothing that a claimant does depends on it.
func (s *step) applyRelease(of id) answer {
	s.unqueue(of)
	if s.store.holder == of || s.flaw == releasesUnseen && s.store.holder != nobody {
		s.free(of)
		s.giveToFirst(nobody)
	}
	return answer{verdict: yes}
}

func (s *step) applyPass(r request) answer {
	switch {
	case s.store.holder == r.to: // a repeat
		return answer{granted, lease{token: s.store.fence}}
	case s.store.holder != r.of && s.flaw != passesUnseen:
		if r.yield && slices.Contains(s.store.queue[:], r.to) {
			return answer{verdict: queued} // likewise
		}
		return answer{}
	case r.yield && s.store.queue[0] != nobody:
		s.free(r.of)
		s.queue(r.to)
		if s.giveToFirst(r.to) != r.to {
			return answer{verdict: queued}
		}
		return answer{granted, lease{token: s.store.fence}}
	}
	s.unqueue(r.to)
	return s.grant(r.to, r.of)
}

// giveToFirst gives the lock, which is free, to the first in the queue who can be
// told. The one who asked is told by the answer.
func (s *step) giveToFirst(asker id) id {
	due := nobody
	for _, i := range s.store.queue {
		if i != nobody && due == nobody && (i == asker || s.hears(i)) {
			due = i
		}
	}
	for {
		first := s.store.queue[0]
		if s.flaw == servesLastFirst {
			first = slices.Max(s.store.queue[:])
		}
		if first == nobody {
			return nobody
		}
		alive := first == asker || s.hears(first)
		if !alive && s.flaw == stopsAtTheDead {
			return nobody
		}
		s.unqueue(first)
		if !alive && s.processes[s.process[claimantOf(first)]].elsewhere {
			s.store.fence++
			s.publish(message{to: first, lease: lease{token: s.store.fence}})
		}
		if alive {
			s.must(first == due, "another than the first in the queue was given the lock")
			t := s.give(first, nobody)
			if first != asker {
				s.publish(message{to: first, lease: lease{token: t}})
			}
			return first
		}
	}
}

// hears reports whether the store finds a subscriber for news for i.
func (s *step) hears(i id) bool {
	p := s.processes[s.process[claimantOf(i)]]
	return p.health != dead && !p.elsewhere
}

// publish sends a message. What there is no room for in the model is what was
// sent first to somebody, and may get lost.
func (s *step) publish(msg message) {
	for i := range s.messages {
		if s.messages[i].to == nobody {
			s.messages[i] = msg
			return
		}
	}
	s.messages[len(s.messages)-1] = msg
}

func (s *step) queue(i id) {
	if slices.Contains(s.store.queue[:], i) {
		return
	}
	end := slices.Index(s.store.queue[:], nobody)
	s.must(end >= 0, "the model has too small a queue")
	if end >= 0 {
		s.store.queue[end] = i
	}
}

func (s *step) unqueue(i id) {
	if at := slices.Index(s.store.queue[:], i); at >= 0 {
		copy(s.store.queue[at:], s.store.queue[at+1:])
		s.store.queue[len(s.store.queue)-1] = nobody
	}
}
