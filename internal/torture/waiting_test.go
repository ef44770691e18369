package torture_test

import (
	"slices"
	"time"
)

const (
	// askAgain is the most time that a waiter loses if its wake-up is lost, or if the
	// lock is reserved for another that is as good as dead.
	askAgain = 2 * time.Second

	recovery = 2 * time.Second // after a fault, to connect and ask
	little   = 2 * time.Second // what a loaded machine may add to anything
)

// idleness is a time in which nobody was inside although somebody waited.
type idleness struct {
	span
	idle spans // when a waiting process was in order, and the server too
	far  bool  // the next one inside had waited, and is of another process than the last
}

// idle returns the idle times of a key.
func (h *history) idle(attempts []attempt) (all []idleness) {
	var busy, waiting []span
	left, entered := map[instant]attempt{}, map[instant]attempt{}
	for _, a := range attempts {
		until := a.Entered
		switch {
		case a.inside():
			from, to := a.Entered, a.Left
			if a.Cancelled != 0 {
				to = a.Cancelled
			}
			if to == 0 {
				to = h.endOf(a)
			}
			to = max(to, from)
			busy = append(busy, span{from, to + 1})
			left[to+1], entered[from] = a, a
		case a.Outcome != killed: // it left without the lock
			continue
		default:
			until = h.endOf(a)
		}
		if a.Mode.waits() {
			waiting = append(waiting, h.inOrder(a, span{a.Called, until})...)
		}
	}
	taken, wanted := union(busy), union(waiting)
	taken = append(slices.Insert(taken, 0, span{}), span{h.finished, h.finished})
	for i := 1; i < len(taken); i++ {
		g := idleness{span: span{taken[i-1].Until, taken[i].From}}
		next := entered[g.Until]
		g.far = next.Process != left[g.From].Process && next.Mode.waits() && next.Called < g.From
		if g.idle = wanted.within(g.span); len(g.idle) > 0 {
			all = append(all, g)
		}
	}
	return all
}

// inOrder returns the time in which a waited, except when its process could not run or was
// cut off, or the server was slow.
func (h *history) inOrder(a attempt, waited span) (in []span) {
	var bad []span
	for _, place := range []int{a.Place, everywhere} {
		for _, s := range h.sick[place].within(span{waited.From.add(-recovery), waited.Until}) {
			bad = append(bad, span{s.From, s.Until.add(recovery)})
		}
	}
	bad = append(bad, h.stood[a.Process].within(waited)...)
	bad = append(bad, h.slow.within(waited)...)
	return union(bad).without(waited)
}

// checkWaiting checks that no key stays free for longer than the faults around it explain:
// the lease of a holder that could not release it, for each place in trouble a reservation for
// a waiter that is as good as dead, and one lost message. It also checks that nobody starves:
// that a waiter is not overtaken by many more than wait.
func (h *history) checkWaiting(attempts []attempt) {
	for _, g := range h.idle(attempts) {
		length, limit := g.idle.length(), h.idleLimit(g.span)
		if length > limit {
			h.violated("a key is free though somebody waits", "%s for %v, of which %v in order, more than %v, %.3f to %.3f\n\t%q",
				attempts[0].Key, g.length(), length, limit, sec(g.From), sec(g.Until), h.near(g.span))
		}
	}
	var turns []instant
	for _, a := range sections(attempts) {
		if a.Mode.waits() {
			turns = append(turns, a.Entered)
		}
	}
	for _, a := range attempts {
		waited := span{a.Called, a.Entered}
		if !a.inside() {
			waited.Until = h.endOf(a)
		}
		if !h.fair || !a.Mode.waits() || h.troubled(a.Place, waited) {
			continue
		}
		first, _ := slices.BinarySearch(turns, waited.From)
		last, _ := slices.BinarySearch(turns, waited.Until)
		if passed := last - first; passed > 50+4*h.clients {
			h.violated("a waiter starves", "%d were served while it waited: %v", passed, a)
		}
	}
}

func (h *history) idleLimit(s span) time.Duration {
	limit := h.longest + askAgain + little
	before := span{s.From.add(-h.longest - recovery), s.Until}
	for place, sick := range h.sick {
		if place != everywhere && len(sick.within(before)) > 0 {
			limit += askAgain
		}
	}
	return limit
}

// calm returns the time after the last fault.
func (h *history) calm() span { return span{h.healed.add(recovery + h.longest), h.finished} }

// handovers returns how long keys were free between two processes after the last fault, although
// the second waited; sorted.
func (h *history) handovers() (all []time.Duration) {
	_, of := h.byKey()
	for _, attempts := range of {
		for _, g := range h.idle(attempts) {
			if quiet := g.idle.within(h.calm()); g.far && len(quiet) > 0 {
				all = append(all, quiet.length())
			}
		}
	}
	slices.Sort(all)
	return all
}

// checkHandovers checks that after the last fault hardly any key is free while somebody waits:
// a waiter that is woken asks at once.
func (h *history) checkHandovers() []time.Duration {
	all := h.handovers()
	var slowest time.Duration // round trip after the last fault
	for _, s := range h.slow.within(h.calm()) {
		slowest = max(slowest, s.length())
	}
	prompt, tardy := 500*time.Millisecond+3*slowest, 0
	for _, d := range all {
		if d > prompt {
			tardy++
		}
	}
	if n := len(all); n < 10 || tardy > 1+n/50 || all[n/2] > 100*time.Millisecond+slowest {
		h.violated("wake-ups are late", "of %d handovers after the last fault, %d took longer than %v: %v", n, tardy, prompt, all)
	}
	return all
}
