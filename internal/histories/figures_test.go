package histories_test

import (
	"fmt"

	"github.com/effectlock/effectlock/mutex"
)

// figures sum up a history.
type figures struct {
	outcomes     map[outcome]int
	inside       int // attempts whose work began
	killedInside int
	lost         map[mutex.LossReason]int
	unprovoked   int // losses without a fault, a stall or a request that was not answered
	overran      int // work that ended after its lease
	outlasted    int // work that saw its context end with the lease, or should have
	writes       int // that were answered
	stale        int // writes that were refused
	unanswered   int // writes that were not
	gaps         int
	stalls       int
}

func (h history) figures() figures {
	f := figures{outcomes: map[outcome]int{}, lost: map[mutex.LossReason]int{}, gaps: len(h.Gaps)}
	for _, a := range h.Attempts {
		f.outcomes[a.Outcome]++
		if a.Outcome == lost {
			f.lost[a.Reason]++
			if !h.disturbed(a) && !h.unheard(a) {
				f.unprovoked++
			}
		}
		if !a.inside() {
			continue
		}
		f.inside++
		if a.Told || a.Overdue > 0 {
			f.outlasted++
		}
		if a.Left > a.Until {
			f.overran++
		}
		if a.Outcome == killed && a.Left == 0 {
			f.killedInside++
		}
	}
	for _, w := range h.Writes {
		if w.Returned == 0 {
			f.unanswered++
			continue
		}
		f.writes++
		if !w.Accepted {
			f.stale++
		}
	}
	for _, fault := range h.Faults {
		if fault.Kind == stall {
			f.stalls++
		}
	}
	return f
}

func (f figures) String() string {
	return fmt.Sprintf(
		"attempts %v, %d of them inside (%d killed there, %d beyond their lease, %d for as long as it), lost %v (%d unprovoked); "+
			"writes: %d answered, %d of them refused as stale, %d not answered; %d requests not answered, %d stalls",
		f.outcomes, f.inside, f.killedInside, f.overran, f.outlasted, f.lost, f.unprovoked, f.writes, f.stale, f.unanswered, f.gaps, f.stalls)
}
