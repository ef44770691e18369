package contention_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/effectlock/effectlock/mutex"
)

// An entry is one line of the journal, a list that Redis keeps beside the
// counter. Redis applies one command after the other, so the journal is an
// order in which things happened that no clock and no process can argue with,
// and it survives those who wrote it.
type entry struct {
	Kind    kind
	Process string // the worker process that enters or leaves, or is killed
	Holder  string // the acquisition, as the store knows it
	Token   uint64 // of an enter: the fencing token of the grant
	Value   int    // of a leave: what the holder has set the counter to

	At time.Duration // on the clock of the machine; for people, and to measure
}

type kind string

const (
	enter kind = "enter" // the holder's first act under the lock
	leave kind = "leave" // its last act under the lock
	kill  kind = "kill"  // the process is about to be killed
)

// A report is what a worker process says of one attempt after WithLock has
// returned. It comes through a pipe, so that a fault of the journal cannot hide
// an increment that was acknowledged.
type report struct {
	Process    string
	Holder     string           // "" if the lock was not acquired
	Value      int              // the counter's new value, if the work was done
	Waited     time.Duration    // until the lock was acquired
	Error      string           // "" if WithLock succeeded: the increment is acknowledged
	Lost       mutex.LossReason // if the error is a *LockLostError
	Unanswered bool             // the error is a *MutexBackingError
}

// A history is all that is known after the last process has ended.
type history struct {
	journal []entry
	reports []report
	final   int // the counter
}

// A violation is something that cannot happen with a lock that excludes.
type violation struct {
	rule   rule
	detail string
}

type rule string

const (
	overlap        rule = "two holders overlap"
	miscount       rule = "the counter is wrong"
	tokenOrder     rule = "a fencing token is not higher than the one before"
	unfinished     rule = "a survivor entered and never left"
	unaccountedFor rule = "an acknowledged increment is not in the journal"
)

// violations checks a history.
//
// Holders overlap if the journal shows anything of another between the enter of
// one and its leave. A flag in Redis that the holder sets and clears was
// rejected: a holder that is killed leaves it set, and whoever clears it after
// that must decide what this check is to find out. Instead the journal names
// the killed, before the signal is sent. A holder that has not left may be
// followed by another only if
//
//   - the journal has announced the death of its process by then, or
//   - its own WithLock says that its lease expired, which is how a machine that
//     stood still for longer than a lease must show. That the store gave the
//     lock to somebody else, or dropped it, is no excuse: it is the fault looked for.
//
// From then on it is gone, and a leave of it is an overlap after all.
//
// Whether the increment of a holder that is gone counts is open: it was stopped
// before or after it wrote. So each holder that leaves must find the value of
// the last that left, or up to as many more as have gone in between. A lower
// value means that an increment was overwritten, a higher one that the
// journal does not show who worked.
func (h history) violations() (found []violation) {
	violated := func(r rule, format string, args ...any) {
		found = append(found, violation{r, fmt.Sprintf(format, args...)})
	}
	expired := map[string]bool{}
	for _, r := range h.reports {
		expired[r.Holder] = r.Lost == mutex.Expired
	}

	var (
		killed   = map[string]bool{}
		gone     = map[string]bool{}
		left     = map[string]int{} // the values by holder
		inside   []entry            // more than one if they overlap
		token    uint64             // of the last enter
		last     int                // of the last leave
		goneThen int                // since the last leave
	)
	// dismiss drops those who have an excuse for not leaving.
	dismiss := func() {
		var rest []entry
		for _, e := range inside {
			if !killed[e.Process] && !expired[e.Holder] {
				rest = append(rest, e)
				continue
			}
			gone[e.Holder] = true
			goneThen++
		}
		inside = rest
	}
	for i, e := range h.journal {
		switch e.Kind {
		case kill:
			killed[e.Process] = true

		case enter:
			dismiss()
			for _, other := range inside {
				violated(overlap, "entry %d: %v while %v is inside", i, e, other)
			}
			inside = append(inside, e)
			if e.Token <= token {
				violated(tokenOrder, "entry %d: %v after %d", i, e, token)
			}
			token = max(token, e.Token)

		case leave:
			switch at := slices.IndexFunc(inside, func(other entry) bool { return other.Holder == e.Holder }); {
			case at >= 0:
				inside = slices.Delete(inside, at, at+1)
			case gone[e.Holder]:
				violated(overlap, "entry %d: %v, though another has entered since", i, e)
			default:
				violated(unaccountedFor, "entry %d: %v, which did not enter", i, e)
			}
			if e.Value <= last || e.Value > last+1+goneThen {
				violated(miscount, "entry %d: %v, after %d with %d holders gone since", i, e, last, goneThen)
			}
			left[e.Holder] = e.Value
			last, goneThen = e.Value, 0
		}
	}
	dismiss()
	for _, e := range inside {
		violated(unfinished, "%v", e)
	}
	if h.final < last || h.final > last+goneThen {
		violated(miscount, "the counter ends at %d, after %d with %d holders gone since", h.final, last, goneThen)
	}
	for _, r := range h.reports {
		if value, ok := left[r.Holder]; r.Error == "" && (!ok || value != r.Value) {
			violated(unaccountedFor, "%+v", r)
		}
	}
	return found
}
