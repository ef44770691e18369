package torture_test

import (
	"slices"
	"time"
)

const (
	// aftermath is how long a fault has consequences after it is over: messages under way
	// arrive, connections are made, an answer finds its reader. It is generous, because
	// the machine may be busy.
	aftermath = 500 * time.Millisecond

	// stalled is the shortest stall that counts as a fault. A reservation ends before its
	// waiter asks only if the server, the network and its process together stand still for
	// longer than three of these.
	stalled = 150 * time.Millisecond
)

// reliedOn returns the time in which work may have relied on the lock: no other work
// may have been inside then. It begins with the work, and ends
//
//   - when the work ends, if the lock says so by its success: this is the promise
//   - with the lease, if the lock was lost. The work was cancelled, but a process that is
//     paused or waits for its turn on a busy machine sees that later, and how much later
//     is beyond the lock's control. So the end of the lease is known from its requests,
//     not from what the work saw; see ledger.
//   - with the process, if it was killed; but only the lease that it had when the work
//     began is certain.
//   - with the lock's data, if the test deleted it: a lease that is lost that way keeps
//     nobody out. But work whose lock was not lost had it to itself even then.
//
// A lease may be over before the work begins, if the process is paused just then. Such
// work could rely on nothing: both times are the end of its lease.
func (h *history) reliedOn(a attempt) (from, until instant) {
	until = a.Left
	if a.Outcome == killed {
		death := h.endOf(a)
		if until == 0 || death < until {
			until = death
		}
		until = min(until, a.Until)
	}
	if a.Cancelled != 0 {
		until = min(until, a.Cancelled)
	}
	f, deleted := h.deletion(a)
	if a.Outcome == lost {
		until = min(until, a.Until)
	}
	if deleted && (a.Outcome == lost || a.Outcome == killed) {
		until = min(until, f.From)
	}
	until = max(until, a.Called)
	return min(a.Entered, until), until
}

// endOf returns when the attempt returned, or when the kill of its process began.
func (h *history) endOf(a attempt) instant {
	if a.Outcome != killed {
		return a.Returned
	}
	if at, dead := h.death(a.Process); dead {
		return at
	}
	return a.Called // unreachable: an attempt that does not return has been killed
}

// death returns when the kill of a process began.
func (h *history) death(process string) (at instant, dead bool) {
	i := slices.IndexFunc(h.Faults, func(f fault) bool { return f.Kind == killing && f.Process == process })
	if i < 0 {
		return 0, false
	}
	return h.Faults[i].From, true
}

// settled returns when the server has nothing left of an attempt: when it returned, if all
// its requests were answered, the last of which released the lock. Otherwise some may have
// been under way when it ended, and have won it a lease.
func (h *history) settled(a attempt) instant {
	if a.Outcome != killed && !h.hasGap(a) {
		return a.Returned
	}
	landed := h.endOf(a).add(aftermath)
	for again := true; again; {
		again = false
		for _, f := range h.Faults {
			if h.concerns(f, a) && f.From <= landed && f.Until >= a.Called && landed < f.Until.add(aftermath) {
				landed, again = f.Until.add(aftermath), true
			}
		}
	}
	return landed.add(a.TTL)
}

func (h *history) concerns(f fault, a attempt) bool {
	return f.Place == everywhere || f.Process == a.Process
}

// excuses returns the times at which the server may have had a holder of the key that no
// grant in the history shows. An attempt that was refused then proves nothing:
//
//   - a waiter gives up just as it is granted the lock
//   - the lock was reserved for a waiter while its process, or the server, was
//     unreachable, and again later: only the second time shows
//   - a request got no answer, and is applied when nobody expects it any more
//   - a process was killed while it had requests under way
//
// The grants must explain every other refusal.
func (h *history) excuses(attempts []attempt) (all []span) {
	for _, a := range attempts {
		left := a.Outcome == gaveUp && !a.inside()
		if left || a.Outcome == killed || h.hasGap(a) || a.Outcome != refused && h.disturbed(a) {
			all = append(all, span{a.Called, h.settled(a)})
		}
	}
	return all
}

// disturbed reports whether a fault or a stall hit the attempt.
func (h *history) disturbed(a attempt) bool {
	all := span{a.Called, h.endOf(a)}
	for _, stalls := range []spans{h.stood[a.Process], h.slow} {
		for _, s := range stalls.within(all) {
			if s.length() >= min(stalled, all.length()) {
				return true
			}
		}
	}
	return slices.ContainsFunc(h.Faults, func(f fault) bool {
		return h.concerns(f, a) && f.Kind != killing && span{f.From, f.Until.add(f.echo())}.meets(all.From, all.Until)
	})
}

// echo returns how long after the fault messages may be lost: they may go to a dead
// connection that the server does not know to be dead yet. A deletion has no echo.
func (f fault) echo() time.Duration {
	if f.Kind == flushing || f.Kind == deleting {
		return 0
	}
	return aftermath / 2
}

// hasGap reports whether a request of its process for its key got no answer.
func (h *history) hasGap(a attempt) bool {
	return slices.ContainsFunc(h.gapsOf(a), func(g gap) bool {
		return g.meets(a.Called, h.endOf(a))
	})
}

// gapsOf returns the unanswered requests of an attempt's process for its key.
func (h *history) gapsOf(a attempt) []gap {
	if h.gaps == nil {
		h.gaps = map[claimant][]gap{}
		for _, g := range h.Gaps {
			h.gaps[claimant{g.Key, g.Process}] = append(h.gaps[claimant{g.Key, g.Process}], g)
		}
	}
	return h.gaps[claimant{a.Key, a.Process}]
}
