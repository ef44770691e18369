// Package turn decides which of the waiters for a lock in one process may ask the store for
// it, and what follows from the store's answers.
//
// It is pure. A [State] is all that a process knows; [State.Step] takes one [Event] and the
// time at which it happened, and returns the [Action] values that follow. There is no clock,
// no goroutine and no store. Package mutex carries out the actions; package protocol visits
// every state that this code can reach with a few processes, a store that loses messages,
// and processes that die.
//
// The waiters of a process form one line, and only the first asks the store: if each waiter
// asked, the server would have more work with every waiter. While this process holds all
// permits, nobody asks, because a holder that releases hands its permits to the first in
// line. The other waiters need no request and no timer.
//
// The form (a state, an invariant, actions as data) is that of Semaphore in the standard
// library of cats-effect.
package turn

import (
	"slices"
	"time"

	"github.com/effectlock/effectlock/backing"
)

// MaxHandovers is how many times in a row a process hands the lock to one of its own waiters
// before it offers the lock to other processes.
//
// If waiters there poll, the lock must stay free for a while for them to find it. That is
// expensive, so it happens at most once in MaxHandovers polling intervals.
const MaxHandovers = 8

// State is what one process knows about one lock. A State with nothing but a Limit is that
// of a lock that nobody wants.
type State struct {
	Limit   int       // permits of the lock: 1 for a mutex
	Holders []Holder  // in this process, as far as it knows; latest last
	Waiters []*Waiter // in order of arrival

	Handovers     int       // in a row, since the lock was last offered to other processes
	Since         time.Time // when that run of handovers began
	OthersUnknown bool      // the store cannot say whether other processes wait
	YieldUntil    time.Time // the lock is left to other processes until then
	Asked         time.Time // when a waiter last asked the store
	Unqueued      bool      // the store has a queue, and last refused a waiter a place in it

	actions []Action // what the last step returned
}

// Holder is a holder in this process.
type Holder struct {
	ID       string
	Permits  int
	Departed bool // it left while it was handed the lock, and its claim is being released
}

// Waiter is one acquisition, from Join or Try until Accepted or Left.
type Waiter struct {
	Holder
	PollEvery time.Duration // how often it polls a store that cannot wake it
	Owner     any           // for the caller of Step, which carries out the actions

	Phase      Phase
	AskAt      time.Time // when to ask next; zero to wait for an event
	Until      time.Time // when the next Due event will come; zero if none will
	Unanswered int       // requests that the store may have received, and has not answered
	Registered bool      // the store has had the waiter in its queue or as a holder
}

// Phase is where a waiter stands.
type Phase uint8

// The phases of a waiter. Only the first in line can be Asking, Receiving or Granted.
const (
	InLine    Phase = iota // waiting for its turn to ask
	Asking                 // a request is under way
	Queued                 // in the store's queue, to be woken or to ask again at AskAt
	Polling                // not in a queue: it asks again when its retry policy says so
	Receiving              // a holder of this process is handing it the lock
	Granted                // has the lock, and has yet to accept it
	Out                    // has accepted the lock or left
)

func (p Phase) String() string {
	return [...]string{"InLine", "Asking", "Queued", "Polling", "Receiving", "Granted", "Out"}[p]
}

// MayBeKnown reports whether the store may have the waiter in its queue or as a holder, or
// may yet receive a request from it. Such a waiter must release its claim when it leaves.
func (w *Waiter) MayBeKnown() bool { return w.Registered || w.Unanswered > 0 }

// waits reports whether nothing is under way for the waiter.
func (w *Waiter) waits() bool { return w.Phase == InLine || w.Phase == Queued || w.Phase == Polling }

// Invariant returns what is wrong with the state after a step, or "" if nothing is.
func (s *State) Invariant() string {
	permits := 0
	for _, h := range s.Holders {
		permits += h.Permits
	}
	for i, w := range s.Waiters {
		switch {
		case w.Phase == Out:
			return "a waiter that is out is still in line"
		case i > 0 && !w.waits():
			return "something is under way for a waiter that is not first in line"
		case slices.Contains(s.Waiters[:i], w):
			return "a waiter is in line twice"
		case w.Unanswered < 0:
			return "more requests were answered than sent"
		}
	}
	switch {
	case permits > s.Limit:
		return "the process holds more permits than there are"
	case len(s.Waiters) == 0 || !s.Waiters[0].waits() || !s.fits(s.Waiters[0]):
		return "" // the line moves when what is under way ends, or a holder releases
	}
	switch first := s.Waiters[0]; {
	case first.AskAt.IsZero() && first.Phase != Polling:
		return "nothing makes the first in line ask"
	case !first.AskAt.IsZero() && first.Until.IsZero():
		return "the first in line has a time to ask, and no Due event to come"
	}
	return ""
}

// fits reports whether the waiter's permits fit beside those that this process holds. What
// the waiter itself holds does not count: to the store, one id is one holder.
func (s *State) fits(w *Waiter) bool {
	permits := w.Permits
	for _, h := range s.Holders {
		if h.ID == w.ID && h.Departed {
			return false
		}
		if h.ID != w.ID {
			permits += h.Permits
		}
	}
	return permits <= s.Limit
}

// hold records that the store has granted permits to a holder of this process. If they now
// exceed the limit, the oldest holders have lost theirs and do not know it yet.
func (s *State) hold(h Holder) {
	s.drop(h.ID)
	s.Holders = append(s.Holders, h)
	permits := 0
	for i, h := range slices.Backward(s.Holders) {
		if permits += h.Permits; permits > s.Limit {
			s.Holders = slices.Delete(s.Holders, 0, i+1)
			return
		}
	}
}

// drop records that a holder no longer has the lock, and reports whether that was new.
func (s *State) drop(id string) bool {
	before := len(s.Holders)
	s.Holders = slices.DeleteFunc(s.Holders, func(h Holder) bool { return h.ID == id })
	return len(s.Holders) < before
}

// remove takes the waiter out of the line, in time proportional to the number of waiters
// behind it: some microseconds for ten thousand. A linked list would need an allocation for
// each wait.
func (s *State) remove(w *Waiter) {
	w.Phase = Out
	if i := slices.Index(s.Waiters, w); i >= 0 {
		s.Waiters = slices.Delete(s.Waiters, i, i+1)
	}
}

// queued makes the waiter, now in the store's queue, sleep until it should ask again. If it
// was woken since it last asked, it asks at once: the wake-up may belong to its new place in
// the queue.
func (s *State) queued(w *Waiter, o backing.Queued, now time.Time) {
	w.Phase, w.Registered, s.OthersUnknown, s.Unqueued = Queued, true, false, false
	if w.AskAt.IsZero() {
		w.AskAt = now.Add(max(o.AskAgain, time.Millisecond)) // a store must not be flooded
	}
}
