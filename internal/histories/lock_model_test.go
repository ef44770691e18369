package histories_test

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"
)

// The lock, as a sequence of what happens to it. A holder is an attempt's place in
// the history, counted from 1.
type (
	acquires struct {
		holder int
		token  uint64
	}
	releases struct{ holder int } // or its lease ends
	refuses  struct{}
)

type lockState struct {
	holder int    // 0 if it is free
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

// lockOperations are what happened to the lock of a key, and how many refusals are
// not among them, because they are excused.
//
//   - An attempt acquires the lock at some moment between its call and the beginning
//     of its work, and releases it at some moment between the end for which the work
//     could rely on it and its return. That of a process that
//     was killed is free when the server can have nothing of it left.
//   - An attempt is refused at some moment between its call and its return.
//
// To let a waiter acquire from its call on would be right, and slow: at each
// moment one of all who wait may be the next, and which one shows much later. But
// its grant comes after the end of the work that began last before its own, unless
// it came too late to rely on it. So its time is cut to that. To cut can only make
// the check stricter.
func (h history) lockOperations(key string, clients map[string]int) (ops []porcupine.Operation, excused int) {
	type tenure struct {
		holder   int
		from, to instant
	}
	var tenures []tenure
	for i, a := range h.Attempts {
		if a.Key == key && a.inside() {
			from, to := h.reliedOn(a)
			tenures = append(tenures, tenure{i + 1, from, to})
		}
	}
	slices.SortFunc(tenures, func(a, b tenure) int { return cmp.Compare(a.from, b.from) })
	for i, t := range tenures {
		a := h.Attempts[t.holder-1]
		called := a.Called
		if i > 0 && tenures[i-1].to <= t.from && t.from == a.Entered {
			called = max(called, tenures[i-1].to)
		}
		client := clients[a.lane()]
		ops = append(ops,
			porcupine.Operation{ClientId: client, Input: acquires{t.holder, a.Token}, Call: int64(called), Return: int64(a.Entered), Metadata: a},
			porcupine.Operation{ClientId: client, Input: releases{t.holder}, Call: int64(t.to), Return: int64(max(h.settled(a), t.to)), Metadata: a},
		)
	}
	excuses := h.excuses(key)
	for _, a := range h.Attempts {
		switch {
		case a.Key != key || a.Outcome != refused:
		case slices.ContainsFunc(excuses, func(s span) bool { return s.meets(a.Called, a.Returned) }):
			excused++
		default:
			ops = append(ops, porcupine.Operation{ClientId: clients[a.lane()], Input: refuses{}, Call: int64(a.Called), Return: int64(a.Returned), Metadata: a})
		}
	}
	return ops, excused
}

// lane is whose line the attempt has in a drawing.
func (a attempt) lane() string { return fmt.Sprintf("%s/%d", a.Process, a.Client) }

// clients numbers who made attempts, as a drawing wants it.
func (h history) clients() map[string]int {
	numbers := map[string]int{}
	for _, a := range h.Attempts {
		if _, ok := numbers[a.lane()]; !ok {
			numbers[a.lane()] = len(numbers)
		}
	}
	return numbers
}
