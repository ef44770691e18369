package protocol_test

import "slices"

// at is where a holder stands in the queue, -1 if it does not.
func (s *store) at(i id) int {
	return slices.IndexFunc(s.queue[:], func(p place) bool { return p.of == i })
}

// first is the first in the queue, of those that have not been passed over.
func (s *store) first() id {
	for _, p := range s.queue {
		if !p.passed {
			return p.of
		}
	}
	return nobody
}

func (s *store) last() id {
	for _, p := range slices.Backward(s.queue[:]) {
		if p.of != nobody && !p.passed {
			return p.of
		}
	}
	return nobody
}

// queue gives a holder the last place, unless it has one. One that was passed
// over gets its old place back.
func (s *step) queue(i id) {
	if at := s.store.at(i); at >= 0 {
		if !s.store.queue[at].passed {
			return
		}
		s.store.queue[at].passed = false
		if s.flaw != losesThePassedOver {
			return
		}
		s.store.unqueue(i)
	}
	end := s.store.at(nobody)
	s.must(end >= 0, "the model has too small a queue")
	if end >= 0 {
		s.store.queue[end] = place{of: i}
	}
}

func (s *store) unqueue(i id) {
	if at := s.at(i); at >= 0 && i != nobody {
		copy(s.queue[at:], s.queue[at+1:])
		s.queue[len(s.queue)-1] = place{}
	}
}
