package protocol_test

// hasReleased reports whether the store remembers that the claim has been released.
func (s *step) hasReleased(i id) bool {
	if s.flaw == forgetsAttempts {
		i = s.holder(i)
	}
	return s.store.released[i]
}

// remember records that a claim has been released.
func (s *step) remember(i id) {
	if s.flaw == forgetsAttempts {
		i = s.holder(i)
	}
	s.store.released[i] = true
}

// rememberPass is like remember for a holder that has passed the lock on.
func (s *step) rememberPass(i id) {
	if s.flaw != passesUnremembered {
		s.remember(i)
	}
}
