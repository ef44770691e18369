package torture_test

import (
	"time"

	"github.com/effectlock/effectlock/mutex"
)

// slow is how late a timer may fire in a process that does not stand still.
const slow = 200 * time.Millisecond

// judge looks for everything that a lock must not do.
func (h *history) judge() {
	h.settle()
	keys, of := h.byKey()
	written := map[string][]write{}
	for _, w := range h.Writes {
		written[w.Key] = append(written[w.Key], w)
	}
	for _, key := range keys {
		h.checkLock(key, of[key])
		h.checkRegister(key, written[key])
		h.checkCount(key, of[key], written[key])
		h.checkServer(of[key])
		h.checkWaiting(of[key])
	}
	for _, a := range h.Attempts {
		h.checkAttempt(a)
		h.checkLoss(a)
	}
	h.checkRefusedWrites()
}

// checkAttempt checks what an attempt shows by itself.
func (h *history) checkAttempt(a attempt) {
	all := span{a.Called, h.endOf(a)}
	calm := a.Outcome != killed && h.healed != 0 && a.Called >= h.calm().From &&
		len(h.stood[a.Process].within(all)) == 0 && len(h.slow.within(all)) == 0
	switch {
	case a.Outcome == odd:
		h.violated("an unexpected error", "%v", a)
	case a.inside() && a.Token == 0:
		h.violated("no token", "%v", a)
	case a.inside() && a.Outcome == done && a.Left >= a.Until:
		h.violated("success, though the work ended after the lease", "by %v: %v", a.Left.since(a.Until), a)
	case a.Overdue > a.Mode.enoughLooks() && len(h.slow.within(span{a.Until, a.Left})) == 0:
		h.violated("the context did not end with the lease", "%v", a)
	case a.Kept && a.Outcome == done && !h.disturbed(a) && !h.troubled(a.Place, all):
		// A late request of the claim may take the lock again for a moment, but requests are
		// late only if something is broken.
		h.violated("a lock was released and is held", "%v", a)
	case calm && (a.Outcome == unanswered || a.Outcome == lost && a.Reason == mutex.Expired):
		h.violated("it failed for no reason", "%v\n\t%q", a, h.near(all))
	}
}

// checkLoss checks that work whose lock was deleted ends soon and does not succeed, and that no
// lock is lost for no reason.
func (h *history) checkLoss(a attempt) {
	if !a.inside() || a.Outcome == killed {
		return
	}
	noticed := a.Returned
	if a.Notified {
		noticed = a.Cancelled
	}
	f, deleted := h.deletion(a)
	after := span{max(f.Until, a.Entered), min(a.Left, a.Until)}
	if a.Lost != 0 {
		after.Until = min(after.Until, a.Lost)
	}
	switch {
	case deleted && f.Kind == deleting && a.Outcome == done:
		h.violated("a loss was not noticed", "%v\n\t%v", f, a)
	case deleted && f.Kind == deleting && after.From < after.Until && h.unnoticed(a, after):
		h.violated("a loss was noticed late", "after %v\n\t%v\n\t%v\n\t%q", after.length(), f, a, h.near(after))
	case !deleted && a.Outcome == lost && a.Reason != mutex.Expired && noticed < a.Until:
		h.violated("somebody else freed or took the lock", "%v before its lease ended: %v\n\t%q", a.Until.since(noticed), a, h.near(span{a.Entered, noticed}))
	}
	if late := (span{a.Lost, a.Left}); a.Lost != 0 && !a.Blind && a.Lost < a.Left && !h.troubled(a.Place, late) && h.active(a.Process, late) > slow {
		h.violated("work went on after its loss", "for %v\n\t%v", late.length(), a)
	}
}

// unnoticed reports whether the holder should have found out earlier that its lock
// was deleted: by the next refresh that could be answered, or by its deadline.
func (h *history) unnoticed(a attempt, after span) bool {
	bad := append([]span(nil), h.stood[a.Process].within(after)...)
	bad = append(bad, h.slow.within(after)...)
	refresh := a.TTL * 2 / 3 // at most the interval plus the timeout of a request
	for _, place := range []int{a.Place, everywhere} {
		for _, s := range h.sick[place].within(span{after.From.add(-refresh), after.Until}) {
			bad = append(bad, span{s.From, s.Until.add(refresh)})
		}
	}
	return union(bad).without(after).length() > refresh+time.Second
}

// checkRefusedWrites finds holders whose write was refused while they could rely on the lock.
func (h *history) checkRefusedWrites() {
	tenures := map[author]span{}
	for _, a := range h.Attempts {
		if a.inside() {
			from, until := h.reliedOn(a)
			tenures[author{a.Process, a.Number}] = span{from, until}
		}
	}
	for _, w := range h.Writes {
		s, ok := tenures[author{w.Process, w.Attempt}]
		if ok && w.Returned != 0 && !w.Accepted && w.Called >= s.From && w.Returned <= s.Until {
			h.violated("a holder's write was refused", "%+v", w)
		}
	}
}

// checkCount checks that no increment is lost. Increments by a holder that lost its lock or was
// killed are uncertain: a stale write may come between the next holder's read and its write. All
// others must have read what the write before them left.
func (h *history) checkCount(key string, attempts []attempt, all []write) {
	sure := map[author]bool{}
	for _, a := range attempts {
		sure[author{a.Process, a.Number}] = a.Outcome != killed && a.Outcome != lost
	}
	certain := map[int]bool{0: true} // by the value
	for _, w := range all {
		certain[w.Version.Value] = w.Returned != 0 && sure[author{w.Process, w.Attempt}]
	}
	count, doubtful := 0, 0
	for _, w := range all {
		switch {
		case w.Version.Token == highest, w.Returned != 0 && !w.Accepted:
		case !certain[w.Version.Value]:
			doubtful++
		default:
			count++
			if certain[w.Before.Value] && w.Version.Count != w.Before.Count+1 {
				h.violated("updates were lost", "%+v", w)
			}
		}
	}
	if n, ok := h.counters[key]; ok && (n < count || n > count+doubtful) {
		h.violated("updates were lost", "%s is %d after %d writes and %d in doubt", key, n, count, doubtful)
	}
}

// checkServer compares the end of the work with the moment from which another could have the
// lock by the server's account. It is exact on any machine, because the lock checks the clock
// when the work has returned and whenever the work checks its context.
func (h *history) checkServer(attempts []attempt) {
	all := sections(attempts)
	for i, a := range all {
		could := h.leases[claimant{a.Key, a.Holder}]
		if could == 0 {
			continue
		}
		for _, next := range all[i+1:] {
			if given := h.tokens(next.Token); next.Token > a.Token && given > a.Entered {
				could = min(could, given)
				break
			}
		}
		last := a.Seen
		if a.Outcome == done {
			last = a.Left
		}
		if f, deleted := h.deletion(a); last > could && (!deleted || f.From > last) {
			h.violated("work went on when another could have the lock", "for %v: %v", last.since(could), a)
		}
	}
}

// troubled reports whether the place or the server was in trouble then or shortly before.
func (h *history) troubled(place int, s span) bool {
	s.From = s.From.add(-recovery)
	return len(h.sick[place].within(s)) > 0 || len(h.sick[everywhere].within(s)) > 0
}
