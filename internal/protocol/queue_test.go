package protocol_test

import "slices"

// at returns a holder's index in the queue, or -1.
func (s *store) at(i id) int {
	return slices.IndexFunc(s.queue[:], func(p place) bool { return p.of == i })
}

// first returns the first in the queue that has not been passed over.
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

// queue gives a holder the last place, unless it has a place. A holder that was
// passed over gets its old place back.
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
	s.must(end >= 0, "the model's queue is too small")
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
