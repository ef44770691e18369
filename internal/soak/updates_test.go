package soak_test

// checkCounters sees that no increment is lost. Of those whose lock was lost, and
// those whose process was killed as they wrote, nobody knows: a stale write may
// come between the next holder's reading and its writing.
func (h *history) checkCounters() (sum int) {
	for key := range uint16(locksShared) {
		sure, doubtful := 0, 0
		for _, a := range h.keys[key] {
			switch {
			case a.Wrote && !a.Outcome.lost() && !a.killed:
				sure++
			case a.Wrote || a.killed && a.Writing && !a.Refused:
				doubtful++
			}
		}
		if n := h.counters[key]; n < sure || n > sure+doubtful {
			h.violated("updates were lost", "%s is %d after %d writes and %d in doubt", counterOf(key), n, sure, doubtful)
		}
		sum += sure
	}
	return sum
}
