package protocol_test

import "slices"

// A step is a system while one thing happens to it, and what went wrong if that
// must never happen.
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

// give makes a claimant the holder, under a token. Its two conditions are what a lock
// is: it is given when it is free, or by its holder; and each grant has a higher token
// than all before it, even a grant to a holder that asked again.
func (s *step) give(to, by id) token {
	t := s.store.fence + 1
	if s.flaw == keepsTheToken && s.store.reserved {
		t = s.store.fence
	}
	s.must(s.store.holder == nobody || s.store.holder == by, "the lock was given to a second holder")
	s.must(t > s.store.high, "the token of a grant was not higher than all earlier ones")
	if s.store.holder != to || s.store.reserved {
		s.store.since = t
	}
	s.store.holder, s.store.reserved, s.store.fence, s.store.high = to, false, t, max(s.store.high, t)
	return t
}

// reserve sets a free lock aside for a waiter, and wakes it.
func (s *step) reserve(to id) {
	s.must(s.store.holder == nobody, "a held lock was reserved for another claimant")
	msg := message{to: to}
	if s.trustsMessages() {
		msg.token = s.give(to, nobody)
	} else {
		s.store.holder, s.store.reserved = to, true
	}
	s.publish(msg)
}

// free is the only way in which the lock loses its holder.
func (s *step) free(by id) {
	s.must(s.store.holder == by, "the lock was freed by a claimant that did not have it")
	s.store.holder, s.store.reserved, s.store.since = nobody, false, 0
	if s.flaw == countsTokensAfresh {
		s.store.fence = 0
	}
}

// apply is the store's part: it carries out a request, and answers.
func (s *step) apply(r request) answer {
	before := s.store.queue
	of := s.holder(r.of)
	var a answer
	switch r.kind {
	case try:
		a = s.applyTry(r)
	case enqueue:
		a = s.applyEnqueue(r)
	case refresh:
		if s.store.holder == of {
			a = answer{verdict: yes, lease: lease{token: s.store.fence}}
		}
	case release:
		a = s.applyRelease(r)
	case pass:
		a = s.applyPass(r)
	case nothing:
	}
	s.must(inOrder(before[:], s.store.queue[:]), "a waiter was overtaken in the queue")
	return a
}

// inOrder reports whether the claims that are in both queues have the same order in
// the second, before all others.
func inOrder(before, after []place) bool {
	var stayed, now []id
	for _, p := range before {
		if p.of != nobody && slices.ContainsFunc(after, func(q place) bool { return q.of == p.of }) {
			stayed = append(stayed, p.of)
		}
	}
	for _, p := range after[:len(stayed)] {
		now = append(now, p.of)
	}
	return slices.Equal(stayed, now)
}

func (s *step) grant(to, by id) answer {
	return answer{verdict: granted, lease: lease{token: s.give(to, by)}}
}

func (s *step) applyTry(r request) answer {
	of := s.holder(r.of)
	switch {
	case s.hasReleased(r.of) && s.flaw != grantsReleased:
		return answer{verdict: refused}
	case s.store.holder == nobody, s.store.holder == of:
		s.store.unqueue(of)
		return s.grant(of, of)
	default:
		return answer{}
	}
}

func (s *step) applyEnqueue(r request) answer {
	of := s.holder(r.of)
	switch {
	case s.hasReleased(r.of) && s.flaw != grantsReleased:
		return answer{verdict: refused}
	case s.store.holder == of, s.store.holder == nobody && s.store.first() == nobody, s.flaw == grantsUnseen:
		s.store.unqueue(of)
		return s.grant(of, of)
	case s.queueless:
		return answer{verdict: unqueued}
	case s.flaw == losesThePlace:
		s.store.unqueue(of)
	}
	s.queue(of)
	if s.store.holder == nobody && s.serve(of) == of {
		return s.grant(of, nobody)
	}
	return answer{verdict: queued, uncounted: s.processes[s.process[claimantOf(of)]].subscription != counted}
}

// applyRelease also answers yes to a claimant that has released before, which the store
// remembers; nothing that a claimant does depends on it.
func (s *step) applyRelease(r request) answer {
	of := s.holder(r.of)
	s.remember(r.of)
	s.store.unqueue(of)
	if s.store.holder == of || s.flaw == releasesUnseen && s.store.holder != nobody {
		s.free(of)
		s.serve(nobody)
	}
	return answer{verdict: yes}
}

func (s *step) applyPass(r request) answer {
	of, to := s.holder(r.of), s.holder(r.to)
	switch {
	case s.hasReleased(r.to) && s.flaw != passesToReleased:
		s.applyRelease(r)
		return answer{verdict: unqueued}
	case s.store.holder == to: // a repeat
		return s.grant(to, to)
	case s.store.holder != of && s.flaw != passesUnseen:
		if r.yield && s.store.at(to) >= 0 {
			return answer{verdict: queued} // likewise
		}
		return answer{}
	case r.yield && s.queueless:
		s.free(of)
		s.rememberPass(r.of)
		return answer{verdict: unqueued}
	case r.yield && s.store.first() != nobody:
		s.free(of)
		s.rememberPass(r.of)
		s.queue(to)
		if s.serve(to) != to {
			return answer{verdict: queued}
		}
		return s.grant(to, nobody)
	}
	s.store.unqueue(to)
	s.rememberPass(r.of)
	return s.grant(to, of)
}

// serve reserves the free lock for the first in the queue that can be woken. The
// asker is granted it, and need not be woken. Waiters that are passed over keep
// their places for a while; a message may reach them all the same.
func (s *step) serve(asker id) id {
	due := nobody
	for _, p := range s.store.queue {
		if p.of != nobody && !p.passed && due == nobody && (p.of == asker || s.counts(p.of)) {
			due = p.of
		}
	}
	for {
		first := s.store.first()
		if s.flaw == servesLastFirst {
			first = s.store.last()
		}
		switch {
		case first == nobody:
			return nobody
		case first == asker || s.counts(first):
			s.must(first == due, "a waiter other than the first in the queue was given the lock")
			s.store.unqueue(first)
			if first != asker {
				s.reserve(first)
			}
			return first
		case s.flaw == stopsAtTheDead:
			return nobody
		}
		s.store.queue[s.store.at(first)].passed = true
		s.passOver(first)
	}
}

// passOver handles a message for which the server counted no receiver.
func (s *step) passOver(i id) {
	msg := message{to: i}
	switch {
	case s.processes[s.process[claimantOf(i)]].subscription == counted, s.flaw == countsFromMessage:
		return
	case s.flaw == grantsByMessage:
		s.store.fence++
		msg.token = s.store.fence
	}
	s.publish(msg)
}

// counts reports whether the primary has a subscriber to wake i.
func (s *step) counts(i id) bool {
	p := s.processes[s.process[claimantOf(i)]]
	return p.health != dead && p.subscription == counted
}

// publish sends a message. The model has room for few; one that does not fit may be
// lost.
func (s *step) publish(msg message) {
	for i := range s.messages {
		if s.messages[i].to == nobody {
			s.messages[i] = msg
			return
		}
	}
	s.messages[len(s.messages)-1] = msg
}
