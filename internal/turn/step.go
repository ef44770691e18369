package turn

import (
	"time"

	"github.com/effectlock/effectlock/backing"
)

// Event is something that happened. Fields that do not name its kind are zero.
type Event struct {
	Kind    Kind
	Waiter  *Waiter
	Holder  Holder          // Releasing, Passed, Freed, Undone: the lock's holder, or its last one
	Outcome backing.Outcome // Answered, Passed: the store's answer; nil if the store failed to pass the lock
	NotSent bool            // Failed: the store cannot have received the request
	Yield   bool            // Passed: the lock was offered to other processes first
	Alone   bool            // Releasing: the store cannot hand a lock over
	Every   time.Duration   // PollFor: the next delay of the waiter's policy
}

// Kind is the kind of an [Event].
type Kind uint8

// The kinds of events. Those up to Passed happen to the event's Waiter.
const (
	Join      Kind = iota // the waiter joins the end of the line
	Try                   // the waiter asks once, bypassing the line
	Woken                 // the store woke the waiter, which should ask
	Due                   // the waiter's last Sleep is over
	PolicyDue             // the retry policy makes the waiter ask, if it polls
	PollFor               // the first in line must poll often enough for this waiter
	Answered              // the store answered the waiter's request
	Failed                // the request got no answer, or a useless one
	Retried               // the request was sent again
	Accepted              // the waiter accepted the lock that it was granted
	Declined              // the waiter declined the lock: too little is left of the lease
	Left                  // the waiter gave up
	Passed                // the request to hand the waiter the lock has ended
	Releasing             // the holder is about to release the lock
	Freed                 // the holder no longer has the lock
	Undone                // what a departed waiter may have had in the store has been released
)

// Action is something to do.
type Action struct {
	Do     Do
	Waiter *Waiter
	Until  time.Time // Sleep
	Holder Holder    // Pass, Release
	Yield  bool      // Pass
}

// Do is the kind of an [Action].
type Do uint8

// The kinds of actions. Ask, Sleep and Accept are for the waiter, which may be asleep; the
// others are for the caller of Step.
const (
	Nothing Do = iota
	Ask        // send a request for the lock, with a place in the queue if the store has one
	Sleep      // report Due at Until
	Accept     // use the lock, or decline it
	Pass       // hand the holder's lock to the waiter, and report Passed
	Release    // release the holder's lock, and report Freed
	Undo       // release what the departed waiter may have in the store, and report Undone
)

// Step changes the state by one event, and returns the actions that follow. They are valid
// until the next step.
func (s *State) Step(now time.Time, e Event) []Action {
	clear(s.actions) // so that old actions keep no waiter in memory
	s.actions = s.actions[:0]
	w := e.Waiter
	switch e.Kind {
	case Join:
		w.Phase, w.AskAt = InLine, now
		s.Waiters = append(s.Waiters, w)
	case Try:
		w.Phase, w.Unanswered = Asking, 1
		s.do(Action{Do: Ask, Waiter: w})
	case Woken:
		if w.Phase != Granted && w.Phase != Out {
			w.AskAt = now // even during a request: its answer may be older than the wake-up
		}
	case Due:
		w.Until = time.Time{}
	case PolicyDue:
		if w.Phase == Polling {
			w.AskAt = now
		}
	case PollFor:
		s.pollFor(w, e.Every, now)
	case Answered:
		s.answered(w, e.Outcome, now)
	case Failed:
		if e.NotSent {
			w.Unanswered--
		}
	case Retried:
		w.Unanswered++
	case Accepted:
		s.remove(w)
	case Declined:
		w.Phase, w.AskAt, w.Registered = InLine, now, true
	case Left:
		s.left(w)
	case Releasing:
		s.releasing(e.Holder, e.Alone, now)
	case Passed:
		s.passed(e, now)
	case Freed, Undone:
		s.freed(s.drop(e.Holder.ID) || e.Kind == Undone, now)
	}
	s.proceed(now)
	return s.actions
}

func (s *State) do(a Action) { s.actions = append(s.actions, a) }

// proceed makes the first in line ask, if it is time.
func (s *State) proceed(now time.Time) {
	if len(s.Waiters) == 0 {
		return
	}
	w := s.Waiters[0]
	if !w.waits() || w.AskAt.IsZero() || !s.fits(w) {
		return
	}
	at := w.AskAt
	if at.Before(s.YieldUntil) {
		at = s.YieldUntil
	}
	switch {
	case !now.Before(at):
		w.Phase, w.AskAt, w.Until, s.Asked = Asking, time.Time{}, time.Time{}, now
		w.Unanswered++
		s.do(Action{Do: Ask, Waiter: w})
	case w.Until.IsZero() || at.Before(w.Until):
		w.Until = at
		s.do(Action{Do: Sleep, Waiter: w, Until: at})
	}
}

// freed makes the first in line ask, even during a request of its own if the state has
// changed: the answer may be older than the change. A waiter in the store's queue does not
// ask: the store wakes it.
func (s *State) freed(isNew bool, now time.Time) {
	if len(s.Waiters) == 0 {
		return
	}
	if first := s.Waiters[0]; first.Phase == InLine || first.Phase == Polling || first.Phase == Asking && isNew {
		first.AskAt = now
	}
}

// pollFor makes the first in line ask if it polls and has not asked for 1.5 × every: a waiter
// must not wait at the pace of the one in front.
func (s *State) pollFor(w *Waiter, every time.Duration, now time.Time) {
	if len(s.Waiters) == 0 {
		return
	}
	if first := s.Waiters[0]; first != w && first.Phase == Polling && now.Sub(s.Asked) >= every+every/2 {
		first.AskAt = now
	}
}

func (s *State) answered(w *Waiter, o backing.Outcome, now time.Time) {
	w.Unanswered--
	switch o := o.(type) {
	case backing.Granted:
		w.Phase, s.Handovers, s.Since = Granted, 0, now
		s.hold(w.Holder)
		s.do(Action{Do: Accept, Waiter: w})
	case backing.Queued:
		s.queued(w, o, now)
	case backing.MustPoll:
		w.Phase, s.Unqueued = Polling, s.Unqueued || o.Why != nil
	default: // Refused: somebody else has released its claim, and the waiter is about to leave
	}
}

// left takes the waiter out of the line. If a holder is handing the lock to it, the Passed
// event decides what else there is to do.
func (s *State) left(w *Waiter) {
	if w.MayBeKnown() || w.Phase == Granted {
		s.do(Action{Do: Undo, Waiter: w})
	}
	s.remove(w)
}

// releasing hands the lock to the first in line. The exceptions are a waiter that has already
// asked, which is as good as served; one with the holder's own id, which to the store is the
// same holder; and one that needs a different number of permits.
func (s *State) releasing(h Holder, alone bool, now time.Time) {
	if alone || len(s.Waiters) == 0 || !s.Waiters[0].waits() || s.Waiters[0].ID == h.ID || s.Waiters[0].Permits != h.Permits {
		s.do(Action{Do: Release, Holder: h})
		return
	}
	w := s.Waiters[0]
	w.Phase, w.AskAt = Receiving, time.Time{}
	yield := s.Handovers >= MaxHandovers && (!s.OthersUnknown || now.Sub(s.Since) >= MaxHandovers*w.PollEvery)
	s.do(Action{Do: Pass, Waiter: w, Holder: h, Yield: yield})
}

// passed ends a handover. If the waiter has left meanwhile, the lock that it was given is
// handed on in its name, and its claims in the store are undone.
func (s *State) passed(e Event, now time.Time) {
	w, out := e.Waiter, e.Waiter.Phase == Out
	if _, refused := e.Outcome.(backing.Refused); refused {
		// The store has not recorded the release, and a request of the holder may be under way.
		s.do(Action{Do: Release, Holder: e.Holder})
	} else {
		s.drop(e.Holder.ID)
	}
	if !out {
		w.Phase = InLine
	}
	switch o := e.Outcome.(type) {
	case backing.Granted:
		s.handedOver(w, e.Yield, out, now)
	case backing.Queued:
		s.queued(w, o, now)
	case backing.MustPoll:
		w.AskAt = now
		if !out { // the lock was freed for processes that poll, not because the waiter left
			s.OthersUnknown, s.YieldUntil = true, now.Add(w.PollEvery*5/4)
		}
	case backing.Refused:
		w.AskAt = now
	default: // the outcome is unknown
		w.Registered, w.AskAt = true, now
	}
	if _, isQueued := e.Outcome.(backing.Queued); out && (isQueued || e.Outcome == nil) {
		w.Phase = Out
		s.hold(Holder{ID: w.ID, Departed: true}) // without permits, because it may have none
		s.do(Action{Do: Undo, Waiter: w})
	}
}

func (s *State) handedOver(w *Waiter, yielded, out bool, now time.Time) {
	s.Handovers++
	if yielded { // no other process wanted the lock
		s.Handovers, s.Since = 0, now
	}
	if out {
		s.hold(Holder{ID: w.ID, Permits: w.Permits, Departed: true})
		s.releasing(w.Holder, false, now)
		return
	}
	s.hold(w.Holder)
	w.Phase = Granted
	s.do(Action{Do: Accept, Waiter: w})
}
