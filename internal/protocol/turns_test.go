package protocol_test

import (
	"slices"
	"time"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/internal/turn"
)

// turns are the states of package turn that the processes of a model reach. Each is kept
// once and known by number, so that systems can be compared. The result of each event in
// each state is kept too: the step runs once for each.
type turns struct {
	*model
	states  []snapshot
	numbers map[string]uint32
	steps   map[stepKey]stepResult
}

// snapshot is a state and the waiters in it. It is immutable.
type snapshot struct {
	turn.State
	waiters [2*claimants + 1]*turn.Waiter // by claim; nil for a waiter that is out
}

// stepKey is a state and an event.
type stepKey struct {
	state   uint32
	kind    turn.Kind
	of, to  id
	verdict verdict
	notSent bool
	yield   bool
}

type stepResult struct {
	state   uint32
	actions [2]action
	wrong   string
}

// action is a [turn.Action] about claims.
type action struct {
	do     turn.Do
	of, to id
	yield  bool
}

// now is the time of all steps. The model decides when something later is due.
var now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const askAgain, pollEvery = time.Hour, time.Minute

func newTurns(m *model) *turns {
	t := &turns{model: m, numbers: map[string]uint32{}, steps: map[stepKey]stepResult{}}
	t.number(&snapshot{State: turn.State{Limit: 1}}) // number 0
	return t
}

// step returns the result of an event in a state.
func (t *turns) step(k stepKey) stepResult {
	r, ok := t.steps[k]
	if !ok {
		r = t.run(k)
		t.steps[k] = r
	}
	return r
}

func (t *turns) run(k stepKey) (r stepResult) {
	s := t.states[k.state].copy()
	e := turn.Event{Kind: k.kind, Holder: t.holderOf(k.of), NotSent: k.notSent, Yield: k.yield, Outcome: k.verdict.outcome(), Every: pollEvery}
	if k.to != nobody {
		e.Waiter = s.waiter(t.holderOf(k.to), k.to)
	}
	if k.yield && k.kind == turn.Releasing {
		s.Handovers = turn.MaxHandovers
	}
	if k.kind == turn.Due { // time has passed
		s.YieldUntil = time.Time{}
		if !e.Waiter.AskAt.IsZero() {
			e.Waiter.AskAt = now
		}
	}
	n := 0
	for _, a := range t.flawed(s, e) {
		if a.Do == turn.Sleep {
			continue // the state shows that a waiter sleeps
		}
		r.actions[n] = action{do: a.Do, of: k.of, yield: a.Yield}
		if a.Waiter != nil {
			r.actions[n].to = s.claimOf(a.Waiter)
		}
		if a.Holder.ID != "" && a.Holder.ID != e.Holder.ID {
			r.actions[n].of = k.to // in the name of the waiter that has left
		}
		n++
	}
	r.wrong = s.Invariant()
	r.state = t.number(s)
	return r
}

func (t *turns) holderOf(i id) turn.Holder {
	if i == nobody {
		return turn.Holder{}
	}
	return turn.Holder{ID: string(rune('a' + t.holder(i))), Permits: 1}
}

func (v verdict) outcome() backing.Outcome {
	switch v {
	case granted:
		return backing.Granted{}
	case queued:
		return backing.Queued{AskAgain: askAgain}
	case unqueued:
		return backing.MustPoll{}
	case no, refused:
		return backing.Refused{}
	default:
		return nil
	}
}

func (s *snapshot) waiter(h turn.Holder, of id) *turn.Waiter {
	if s.waiters[of] == nil {
		s.waiters[of] = &turn.Waiter{Holder: h, PollEvery: pollEvery, Phase: turn.Out}
	}
	return s.waiters[of]
}

func (s *snapshot) claimOf(w *turn.Waiter) id { return id(slices.Index(s.waiters[:], w)) }

func (s *snapshot) copy() *snapshot {
	c := &snapshot{State: s.State}
	c.Holders = slices.Clone(s.Holders)
	c.Waiters = nil
	for i, w := range s.waiters {
		if w != nil {
			waiter := *w
			c.waiters[i] = &waiter
		}
	}
	for _, w := range s.Waiters {
		c.Waiters = append(c.Waiters, c.waiters[s.claimOf(w)])
	}
	c.State = turn.State{
		Limit: c.Limit, Holders: c.Holders, Waiters: c.Waiters, Handovers: c.Handovers, Since: c.Since,
		OthersUnknown: c.OthersUnknown, YieldUntil: c.YieldUntil, Asked: c.Asked, Unqueued: c.Unqueued,
	}
	return c
}

// number returns the number of a state. States that behave alike share a number.
func (t *turns) number(s *snapshot) uint32 {
	s.tidy()
	key := s.key()
	n, ok := t.numbers[key]
	if !ok {
		n = uint32(len(t.states))
		t.numbers[key] = n
		t.states = append(t.states, *s)
	}
	return n
}

// tidy forgets what makes no difference: a run of handovers is as long as the model says,
// and only whether requests were unanswered matters, not how many.
func (s *snapshot) tidy() {
	s.Handovers, s.Since, s.Asked = 0, time.Time{}, time.Time{}
	for i, w := range s.waiters {
		switch {
		case w == nil:
		case w.Phase == turn.Out:
			s.waiters[i] = nil
		case w.Phase == turn.Asking:
			w.Registered, w.Unanswered = w.Registered || w.Unanswered > 1, 1
		default:
			w.Registered, w.Unanswered = w.MayBeKnown(), 0
		}
	}
}

func (s *snapshot) key() string {
	b := make([]byte, 0, 64)
	for _, h := range s.Holders {
		b = append(append(b, h.ID...), byte(bit(h.Departed)))
	}
	b = append(b, byte(bit(s.OthersUnknown)), byte(bit(s.YieldUntil.After(now))), byte(bit(s.Unqueued)))
	for _, w := range s.Waiters {
		b = append(b, byte(s.claimOf(w)))
	}
	for i, w := range s.waiters {
		if w != nil {
			b = append(b, '/', byte(i), byte(w.Phase), when(w.AskAt), when(w.Until), byte(bit(w.Registered)), byte(w.Unanswered))
		}
	}
	return string(b)
}

// when returns 0 for never, 1 for now, 2 for later.
func when(t time.Time) byte {
	switch {
	case t.IsZero():
		return 0
	case t.After(now):
		return 2
	default:
		return 1
	}
}
