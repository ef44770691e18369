package histories_test

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// The fenced register, as a sequence of what happens to it.
type (
	writes struct {
		version
		answered bool
	}
	tells struct { // whether a write was accepted, and what was there before
		accepted bool
		before   version
	}
)

var registerModel = porcupine.Model{
	Init: func() any { return version{} },
	Step: func(s, input, output any) (bool, any) {
		state, op, told := s.(version), input.(writes), output.(tells)
		accepts := op.Token >= state.Token
		if op.answered && (told.accepted != accepts || told.before != state) {
			return false, state
		}
		if accepts {
			state = op.version
		}
		return true, state
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
	DescribeState:     func(s any) string { return fmt.Sprintf("%+v", s) },
}

// registerOperations are the writes to the register of a key.
//
// Of a write without an answer it is open whether it was applied. But each write is
// told what was there before it, and the last of them, which reads alone, comes when
// all has settled. So one that was applied shows in the answer to another,
// and happened before that answered; one that shows nowhere was not
// applied, or was refused, and changed nothing.
func (h history) registerOperations(key string, clients map[string]int) (ops []porcupine.Operation) {
	seen := map[int]instant{} // the first answer that tells of a value
	for _, w := range h.Writes {
		if w.Key != key || w.Returned == 0 {
			continue
		}
		if at := seen[w.Before.Value]; at == 0 || w.Returned < at {
			seen[w.Before.Value] = w.Returned
		}
	}
	for _, w := range h.Writes {
		returned := w.Returned
		if w.Key != key {
			continue
		}
		if returned == 0 {
			if returned = seen[w.Value]; returned == 0 {
				continue
			}
		}
		ops = append(ops, porcupine.Operation{
			ClientId: clients[fmt.Sprintf("%s/%d", w.Process, w.Client)],
			Input:    writes{version{w.Token, w.Value}, w.Returned != 0},
			Output:   tells{w.Accepted, w.Before},
			Call:     int64(w.Called), Return: int64(returned), Metadata: w,
		})
	}
	return ops
}
