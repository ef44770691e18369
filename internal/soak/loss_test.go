package soak_test

import (
	"slices"
	"time"
)

// checkDeadlines sees that the work of one whom the store cannot answer ends with
// the lease that it had when that began.
func (h *history) checkDeadlines() {
	silent := slices.DeleteFunc(slices.Clone(h.faults), func(f fault) bool { return f.Kind != "cut" && f.Kind != "replies cut" && f.Kind != "frozen" })
	for _, attempts := range h.keys {
		for _, a := range sections(attempts) {
			for _, f := range silent {
				if f.Place != everywhere && f.Process != a.process || f.begun < a.Enter {
					continue
				}
				over := span{f.begun.add(time.Duration(a.TTL) * time.Millisecond), min(a.inside().until, f.until)}
				if late := h.active(a.process, over); over.from < over.until && late > slow {
					h.violated("a deadline was ignored", "for %v\n\t%v\n\t%v", late, f, a)
				}
			}
		}
	}
}

// checkLosses sees that work whose lock was deleted ends, and does not succeed; and
// that no work is told so for no reason.
func (h *history) checkLosses() {
	for _, attempts := range h.keys {
		for _, a := range sections(attempts) {
			f, deleted := h.deletion(a)
			if a.Lost != 0 && a.Lost < a.Leave {
				if late := h.active(a.process, span{a.Lost, a.Leave}); late > slow {
					h.violated("work went on after its loss", "for %v\n\t%v", late, a)
				}
			}
			switch inside := a.inside(); {
			case deleted && a.Outcome == orderly:
				h.violated("a loss was not noticed", "%v\n\t%v", f, a)
			case deleted && f.until < inside.until:
				if late, in := h.unnoticed(a, f); late {
					h.violated("a loss was noticed late", "after %v\n\t%v\n\t%v\n\t%q", in, f, a, h.near(inside))
				}
			case !deleted && (a.Outcome == gone || a.Outcome == taken) && a.Lost != 0 && a.Lost <= a.Leave:
				h.violated("a lock was lost for no reason", "%v\n\t%q", a, h.near(inside))
			case !deleted && (a.Outcome == gone || a.Outcome == taken) && !h.mayHaveBeenLate(a):
				h.violated("a lock was lost for no reason at its release", "%v\n\t%q", a, h.near(span{a.Leave, a.Done}))
			case a.Outcome == kept && !h.troubled(a.place, span{a.Want, a.Done}):
				// A request of the claim that was late may take it once more, for a
				// moment; but requests are late only if something is broken.
				h.violated("a lock was released and is held", "%v", a)
			case a.Refused && a.Outcome == orderly:
				h.violated("a token was refused, and the lock not lost", "%v", a)
			}
		}
	}
}

// checkFailures sees that nothing fails when nothing is broken any more.
func (h *history) checkFailures() {
	for _, attempts := range h.keys {
		for _, a := range attempts {
			all := span{a.Want, a.Done}
			if a.killed || a.Want < h.calm().from || a.Outcome != unanswered && a.Outcome != expired ||
				len(h.stood[a.process].within(all)) > 0 || len(h.slow.within(all)) > 0 {
				continue
			}
			h.violated("it failed for no reason", "%v\n\t%q", a, h.near(all))
		}
	}
}

// unnoticed reports whether the holder should have found out earlier that its lock
// was deleted: by the next refresh that could be answered, or by its deadline.
func (h *history) unnoticed(a attempt, f fault) (late bool, in time.Duration) {
	ttl := time.Duration(a.TTL) * time.Millisecond
	after := span{max(f.until, a.Enter), a.inside().until}
	bad := append([]span(nil), h.stood[a.process].within(after)...)
	bad = append(bad, h.slow.within(after)...)
	if h.active(a.process, after)-h.slow.within(after).length() > ttl+time.Second {
		return true, after.until.since(after.from)
	}
	refresh := ttl / 3 // the time between two, and until one without an answer is given up
	for _, place := range []int{a.place, everywhere} {
		for _, s := range h.sick[place].within(span{after.from.add(-refresh), after.until}) {
			bad = append(bad, span{s.from, s.until.add(refresh)})
		}
	}
	return union(bad).without(after).length() > refresh+time.Second, after.until.since(after.from)
}

// mayHaveBeenLate reports whether the release may have come later than the lease
// ended, or have been repeated then, which the store cannot tell from a loss. The
// lease was relied on in its first half at the latest.
func (h *history) mayHaveBeenLate(a attempt) bool {
	lease := time.Duration(a.TTL) * time.Millisecond
	trying, releasing := span{a.Want, a.Done}, span{a.Leave, a.Done}
	return len(h.stood[a.process].within(trying)) > 0 ||
		a.Done.since(a.Enter) >= lease/2 && (h.troubled(a.place, releasing) || len(h.slow.within(releasing)) > 0)
}

// troubled reports whether the place or the server was, in that time or shortly before.
func (h *history) troubled(place int, s span) bool {
	s.from = s.from.add(-recovery)
	return len(h.sick[place].within(s)) > 0 || len(h.sick[everywhere].within(s)) > 0
}
