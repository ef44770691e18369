package histories_test

import (
	"slices"
	"time"
)

// aftermath is for how long a fault still has consequences when it is over: what
// was on its way arrives, connections are made anew, an answer finds its reader.
// It is generous, for the machine may have much else to do.
const aftermath = 500 * time.Millisecond

// reliedOn is the time for which work may have relied on the lock: no other work
// may have been inside then. It begins when the work does. It ends
//
//   - when the work ends, if the lock says so by its success: this is the promise
//   - with the lease, if the lock was lost. The work was told, but a process that is
//     paused, or that waits for its turn on a busy machine, sees it later: how much
//     later is no matter of the lock. So when the lease ends is known from its
//     requests, not from what the work saw; see ledger.
//   - with the process, if that was killed; but of its lease only that is certain
//     which it had when the work began.
//   - with the lock's data, if the server loses all: a lease that is lost by that
//     holds nobody off. But work whose lock was not lost had it for itself even then.
//
// A lease may be over before the work begins, if the process is paused just then.
// Such work could rely on nothing: both times are the end of its lease.
func (h history) reliedOn(a attempt) (from, to instant) {
	to = a.Left
	if a.Outcome == killed {
		death := h.endOf(a)
		if to == 0 || death < to {
			to = death
		}
		to = min(to, a.Until)
	}
	if a.Cancelled != 0 {
		to = min(to, a.Cancelled)
	}
	if a.Outcome == lost {
		to = min(to, a.Until)
		for _, f := range h.Faults {
			if f.Kind == flush && f.To >= a.Called {
				to = min(to, f.From)
			}
		}
	}
	to = max(to, a.Called)
	return min(a.Entered, to), to
}

// endOf is when the attempt returned, or when its process began to be killed.
func (h history) endOf(a attempt) instant {
	if a.Outcome != killed {
		return a.Returned
	}
	for _, f := range h.Faults {
		if f.Kind == kill && f.Process == a.Process {
			return f.From
		}
	}
	return a.Called // never, for whoever does not return has been killed
}

// settled is when the server has nothing more of an attempt: when it returned, if
// all its requests were answered, the last of which let go of the lock. Otherwise
// some were perhaps still on their way when it ended, and won it a lease.
func (h history) settled(a attempt) instant {
	if a.Outcome != killed && !h.unheard(a) {
		return a.Returned
	}
	landed := h.endOf(a).add(aftermath)
	for again := true; again; {
		again = false
		for _, f := range h.Faults {
			if f.concerns(a.Process) && f.From <= landed && f.To >= a.Called && landed < f.To.add(aftermath) {
				landed, again = f.To.add(aftermath), true
			}
		}
	}
	return landed.add(a.TTL)
}

func (f fault) concerns(process string) bool { return f.Process == "" || f.Process == process }

// span is a time from a moment to another.
type span struct{ from, to instant }

func (s span) meets(from, to instant) bool { return s.from <= to && from <= s.to }

// excuses are the times at which the server may have had a holder of the key that
// shows in no grant of the history. One who was refused then cannot complain:
//
//   - a waiter gives up just as it is granted the lock
//   - the lock was reserved for a waiter while its process, or the server, could not
//     be reached, and again later: only the second time shows
//   - a request had no answer, and is applied when nobody expects it any more
//   - a process was killed, and had requests under way
//
// Everybody else who is refused has to be explained by the grants.
func (h history) excuses(key string) (all []span) {
	for _, a := range h.Attempts {
		if a.Key != key {
			continue
		}
		left := a.Outcome == gaveUp && !a.inside()
		if left || a.Outcome == killed || h.unheard(a) || a.Outcome != refused && h.disturbed(a) {
			all = append(all, span{a.Called, h.settled(a)})
		}
	}
	return all
}

// disturbed reports whether a fault came over the attempt.
func (h history) disturbed(a attempt) bool {
	return slices.ContainsFunc(h.Faults, func(f fault) bool {
		return f.concerns(a.Process) && f.Kind != kill && span{f.From, f.To.add(f.echo())}.meets(a.Called, a.Returned)
	})
}

// echo is for how long a message may be missed after the fault: to those who come
// then, a connection is dead that the server may not yet know to be so. What lies
// flat is only late.
func (f fault) echo() time.Duration {
	if f.Kind == flush || f.Kind == stall {
		return 0
	}
	return aftermath / 2
}

// unheard reports whether a request of its process for its key had no answer.
func (h history) unheard(a attempt) bool {
	return slices.ContainsFunc(h.Gaps, func(g gap) bool {
		return g.Process == a.Process && g.Key == a.Key && span{g.From, g.To}.meets(a.Called, a.Returned)
	})
}
