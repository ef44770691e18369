package protocol_test

import (
	"slices"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/internal/turn"
)

// flawed is the step of package turn, with the model's flaw in it.
func (t *turns) flawed(s *snapshot, e turn.Event) []turn.Action {
	var ignored []turn.Do
	switch t.flaw {
	case grantsByMessage, countsFromMessage:
		if e.Kind == turn.Woken && e.Waiter.Phase != turn.Out {
			e.Waiter.Unanswered++
			e = turn.Event{Kind: turn.Answered, Waiter: e.Waiter, Outcome: backing.Granted{}}
		}
	case neverAsksAgain:
		if e.Kind == turn.Due {
			return nil
		}
	case leavesSilently:
		if e.Kind == turn.Left {
			ignored = []turn.Do{turn.Undo}
		}
	case leavesAfterARefusal:
		if e.Kind == turn.Passed {
			ignored = []turn.Do{turn.Release}
		}
	case believesTheLastRefusal:
		if e.Kind == turn.Answered {
			e.Waiter.Registered, e.Waiter.Unanswered = false, 1
		}
	case forgetsAHandover:
		if e.Kind == turn.Passed && e.Waiter.Phase == turn.Out {
			return nil
		}
	case keepsAHolder:
		if e.Kind == turn.Freed {
			return nil
		}
	default:
	}
	return slices.DeleteFunc(s.Step(now, e), func(a turn.Action) bool { return slices.Contains(ignored, a.Do) })
}
