package soak_test

import (
	"slices"
	"time"
)

const (
	// askAgain is the most that a waiter loses if its wake-up does, or if the lock is
	// reserved for another that is as good as dead.
	askAgain = 2 * time.Second

	recovery = 2 * time.Second // after a fault, to connect anew and ask
	little   = 2 * time.Second // what a loaded machine may add to anything
)

// gap is a time in which nobody was inside, though somebody waited.
type gap struct {
	span
	key  uint16
	idle spans // in which a process that waited was in order, and the server too
	far  bool  // who entered then had waited, and is not of the process that was inside before
}

// gaps of a key.
func (h *history) gaps(key uint16) (all []gap) {
	var busy, waiting []span
	left, entered := map[instant]attempt{}, map[instant]attempt{}
	for _, a := range h.keys[key] {
		until := a.Enter
		switch {
		case a.Enter != 0:
			inside := a.inside()
			busy = append(busy, inside)
			left[inside.until], entered[inside.from] = a, a
		case !a.killed: // it left without the lock
			continue
		default:
			until = a.Done
		}
		if a.Mode.patient() {
			waiting = append(waiting, h.inOrder(a, span{a.Want, until})...)
		}
	}
	taken, wanted := union(busy), union(waiting)
	taken = append(slices.Insert(taken, 0, span{}), span{h.finished, h.finished})
	for i := 1; i < len(taken); i++ {
		g := gap{span: span{taken[i-1].until, taken[i].from}, key: key}
		next := entered[g.until]
		g.far = next.process != left[g.from].process && next.Mode.patient() && next.Want < g.from
		if g.idle = wanted.within(g.span); len(g.idle) > 0 {
			all = append(all, g)
		}
	}
	return all
}

// inOrder is what remains of the time in which a waited, without that in which its
// process could not do anything, or was cut off, or the server was slow.
func (h *history) inOrder(a attempt, waited span) (in []span) {
	var bad []span
	for _, place := range []int{a.place, everywhere} {
		for _, s := range h.sick[place].within(span{waited.from.add(-recovery), waited.until}) {
			bad = append(bad, span{s.from, s.until.add(recovery)})
		}
	}
	bad = append(bad, h.stood[a.process].within(waited)...)
	bad = append(bad, h.slow.within(waited)...)
	return union(bad).without(waited)
}

// idleness is how long keys were free though somebody waited.
type idleness struct {
	longest    gap
	length     time.Duration   // of the longest
	handovers  []time.Duration // from process to process after the last fault; sorted
	tardy      int             // of those
	waited     time.Duration   // the longest that anybody waited
	waitedCalm time.Duration   // likewise, after the last fault
}

// checkIdleness looks at the waiting. After the last fault, and the time to recover
// from it, hardly any key may be free though somebody waits: a waiter that is woken asks
// at once.
func (h *history) checkIdleness() (found idleness) {
	h.checkGaps(&found)
	for _, attempts := range h.keys {
		for _, a := range sections(attempts) {
			if !a.Mode.patient() {
				continue
			}
			found.waited = max(found.waited, a.Enter.since(a.Want))
			if a.Want > h.calm().from {
				found.waitedCalm = max(found.waitedCalm, a.Enter.since(a.Want))
			}
		}
	}
	slices.Sort(found.handovers)
	if n := len(found.handovers); n < 10 || found.tardy > 1+n/50 || found.at(50) > 100*time.Millisecond+h.slowest() {
		h.violated("wake-ups are late", "after the last fault, half of %d handovers took longer than %v, and %d longer than %v", n, found.at(50), found.tardy, h.prompt())
	}
	return found
}

// at is a percentile of the handovers, which are sorted.
func (i idleness) at(percent int) time.Duration {
	if len(i.handovers) == 0 {
		return 0
	}
	return i.handovers[(len(i.handovers)-1)*percent/100]
}

// prompt is how long a handover may take that costs a few round trips.
func (h *history) prompt() time.Duration { return 500*time.Millisecond + 3*h.slowest() }

// slowest is the longest round trip after the last fault.
func (h *history) slowest() (longest time.Duration) {
	for _, s := range h.slow.within(h.calm()) {
		longest = max(longest, s.until.since(s.from))
	}
	return longest
}

func (h *history) calm() span { return span{h.healed.add(recovery + longest), h.finished} }

// checkGaps sees that no key stays free for longer than the faults about it
// explain: the lease of one who could not release it, the time for which it is reserved
// for a waiter that is as good as dead, for each place in trouble, and one message lost.
func (h *history) checkGaps(found *idleness) {
	for key := range h.keys {
		for _, g := range h.gaps(key) {
			length, limit := g.idle.length(), h.idleLimit(g.span)
			if length > limit {
				h.violated("a key is free though somebody waits", "%s for %v, of which %v in order, more than %v, %.3f to %.3f\n\t%q",
					lockOf(key), g.until.since(g.from), length, limit, sec(g.from), sec(g.until), h.near(g.span))
			}
			if length > found.length {
				found.longest, found.length = g, length
			}
			if quiet := g.idle.within(h.calm()); g.far && len(quiet) > 0 {
				found.handovers = append(found.handovers, quiet.length())
				if quiet.length() > h.prompt() {
					found.tardy++
				}
			}
		}
	}
}

func (h *history) idleLimit(s span) time.Duration {
	limit := longest + askAgain + little
	before := span{s.from.add(-longest - recovery), s.until}
	for place := range places {
		if len(h.sick[place].within(before)) > 0 {
			limit += askAgain
		}
	}
	return limit
}
