package torture_test

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

const (
	// checkLimit bounds the check of one window: a window in order takes well under a
	// second, and another may take forever.
	checkLimit = time.Minute

	// window is how many operations are put in order at once: the memory for a check grows
	// with the square of their number.
	window = 4000
)

// The lock, as a sequence of events.
type (
	acquires struct {
		holder int // the index of its attempt in order of entry, from 1
		token  uint64
	}
	releases struct{ holder int } // or its lease ends
	refuses  struct{}
)

type lockState struct {
	holder int    // 0 if the lock is free
	token  uint64 // the last
}

var lockModel = porcupine.Model{
	Init: func() any { return lockState{} },
	Step: func(s, input, _ any) (bool, any) {
		state := s.(lockState)
		switch op := input.(type) {
		case acquires:
			return state.holder == 0 && op.token > state.token, lockState(op)
		case releases:
			return state.holder == op.holder, lockState{0, state.token}
		default:
			return state.holder != 0, state
		}
	},
	DescribeOperation: func(input, _ any) string { return fmt.Sprintf("%T%+v", input, input) },
	DescribeState:     func(s any) string { return fmt.Sprintf("%+v", s) },
}

// tenure is the time in which an attempt could rely on the lock.
type tenure struct {
	attempt
	from, until instant
}

// checkLock looks for an order of the events of a key's lock: for each operation a moment
// between its call and its return, so that a lock with leases would have given the same answers.
//
//   - An attempt acquires the lock at some moment between its call and the beginning
//     of its work, and releases it at some moment between the end of the time in which
//     the work could rely on it and its return. The lock of a killed process is free
//     once the server can have nothing of it left.
//   - An attempt is refused at some moment between its call and its return.
//
// Letting a waiter acquire from its call on would be correct, but slow: at each moment any
// waiter may be the next, and only much later does it show which. But its grant comes after
// the end of the work that began last before its own, unless it came too late to rely on it.
// So its time is cut to that. The cut can only make the check stricter.
//
// Long histories are checked in windows that overlap by one tenure.
func (h *history) checkLock(key string, attempts []attempt) {
	var tenures []tenure
	for _, a := range attempts {
		if a.inside() {
			from, until := h.reliedOn(a)
			tenures = append(tenures, tenure{a, from, until})
		}
	}
	slices.SortFunc(tenures, func(a, b tenure) int { return cmp.Compare(a.from, b.from) })
	var refusals []attempt
	for _, a := range attempts {
		if a.Outcome == refused && h.refusals {
			refusals = append(refusals, a)
		}
	}
	excuses := union(h.excuses(attempts))
	for first := 0; first == 0 || first < len(tenures); first += window {
		last := min(first+window, len(tenures)-1)
		var ops []porcupine.Operation
		add := func(a attempt, input any, call, ret instant) {
			ops = append(ops, porcupine.Operation{ClientId: len(ops), Input: input, Call: int64(call), Return: int64(ret), Metadata: a})
		}
		for i := first; i <= last; i++ {
			t := tenures[i]
			called := t.Called
			if i > 0 && tenures[i-1].until <= t.from && t.from == t.Entered {
				called = max(called, tenures[i-1].until)
			}
			add(t.attempt, acquires{i + 1, t.Token}, called, t.Entered)
			add(t.attempt, releases{i + 1}, t.until, max(h.settled(t.attempt), t.until))
		}
		for _, a := range refusals {
			s := span{a.Called, a.Returned}
			switch outside := first > 0 && s.From <= tenures[first].until || last < len(tenures)-1 && s.Until >= tenures[last].from; {
			case outside:
			case len(excuses.within(span{s.From, s.Until + 1})) > 0:
				h.excused++
			default:
				add(a, refuses{}, s.From, s.Until)
			}
		}
		h.order("the lock of "+key, lockModel, ops)
	}
}

// The fenced register, as a sequence of events.
type (
	writes struct {
		version
		answered bool
	}
	answers struct { // whether a write was accepted, and the version before it
		accepted bool
		before   version
	}
	registerState struct {
		version
		known bool // false at the beginning of a window
	}
)

var registerModel = porcupine.Model{
	Init: func() any { return registerState{} },
	Step: func(s, input, output any) (bool, any) {
		state, op, answer := s.(registerState), input.(writes), output.(answers)
		if !state.known && op.answered {
			state = registerState{answer.before, true}
		}
		accepts := op.Token >= state.Token
		if op.answered && (answer.accepted != accepts || answer.before != state.version) {
			return false, state
		}
		if accepts {
			state.version = op.version
		}
		return true, state
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
	DescribeState:     func(s any) string { return fmt.Sprintf("%+v", s) },
}

// checkRegister looks for an order of the writes to the register of a key.
//
// A write without an answer may or may not have been applied. But the answer to each write is
// the version before it, and the last write, which only reads, comes when all has settled. So
// a write that was applied shows in the answer to another, and happened before that answer; one
// that shows nowhere was not applied, or was refused, and changed nothing.
//
// Long histories are checked in windows that overlap by one write, with which no other is
// concurrent: its answer is the content of the register.
func (h *history) checkRegister(key string, all []write) {
	seen := map[int]instant{} // when the first answer with a value came
	for _, w := range all {
		if at := seen[w.Before.Value]; w.Returned != 0 && (at == 0 || w.Returned < at) {
			seen[w.Before.Value] = w.Returned
		}
	}
	var ops []porcupine.Operation
	for _, w := range all {
		returned := w.Returned
		if returned == 0 {
			if returned = seen[w.Version.Value]; returned == 0 {
				continue
			}
		}
		ops = append(ops, porcupine.Operation{
			ClientId: len(ops), Input: writes{w.Version, w.Returned != 0}, Output: answers{w.Accepted, w.Before},
			Call: int64(w.Called), Return: int64(returned), Metadata: w,
		})
	}
	slices.SortFunc(ops, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	if first := (version{}); len(ops) > 0 {
		start := porcupine.Operation{Input: writes{first, true}, Output: answers{true, first}, Call: ops[0].Call - 2, Return: ops[0].Call - 1}
		ops = slices.Insert(ops, 0, start)
	}
	from, returned := 0, int64(0)
	for i, op := range ops {
		alone := op.Call > returned && (i == len(ops)-1 || op.Return < ops[i+1].Call) && op.Input.(writes).answered
		returned = max(returned, op.Return)
		if alone && i-from >= window || i == len(ops)-1 {
			h.order("the register of "+key, registerModel, ops[from:i+1])
			from = i
		}
	}
}

// order checks that the operations have an order.
func (h *history) order(name string, model porcupine.Model, ops []porcupine.Operation) {
	h.ordered += len(ops)
	switch porcupine.CheckOperationsTimeout(model, ops, checkLimit) {
	case porcupine.Ok:
		return
	case porcupine.Illegal:
		h.violated("no order", "the %d operations of %s have no order", len(ops), name)
	case porcupine.Unknown:
		h.violated("no order", "no order of the %d operations of %s was found in %v", len(ops), name, checkLimit)
	}
	if len(h.drawings) < 3 {
		_, info := porcupine.CheckOperationsVerbose(model, ops, checkLimit)
		h.drawings = append(h.drawings, drawing{name, model, info})
	}
}
