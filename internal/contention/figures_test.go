package contention_test

import (
	"fmt"
	"time"

	"github.com/effectlock/effectlock/mutex"
)

// figures say what a history amounts to, and whether it put the lock to the test.
type figures struct {
	acknowledged int
	final        int // the counter
	kills        int
	killedInside int // holders that had entered when their process was killed
	handovers    int // from one process to another
	lost         map[mutex.LossReason]int
	unanswered   int // attempts that failed because the store did not answer
	failed       int // attempts that failed for another reason
	longestWait  time.Duration
	idle         time.Duration // the longest time between two holders
}

func (f figures) String() string {
	return fmt.Sprintf("%d increments acknowledged, counter at %d, %d kills (%d inside the lock), "+
		"%d handovers between processes, leases lost: %v, store did not answer: %d, other failures: %d, longest wait %v, the lock was idle for up to %v",
		f.acknowledged, f.final, f.kills, f.killedInside, f.handovers, f.lost, f.unanswered, f.failed, f.longestWait.Round(time.Millisecond), f.idle.Round(time.Millisecond))
}

func (h history) figures() figures {
	f := figures{final: h.final, lost: map[mutex.LossReason]int{}}
	for _, r := range h.reports {
		f.longestWait = max(f.longestWait, r.Waited)
		switch {
		case r.Error == "":
			f.acknowledged++
		case r.Lost != "":
			f.lost[r.Lost]++
		case r.Unanswered:
			f.unanswered++
		default:
			f.failed++
		}
	}
	var last, inside string // processes
	var left time.Duration
	for _, e := range h.journal {
		switch e.Kind {
		case kill:
			f.kills++
			if inside == e.Process {
				f.killedInside++
			}
		case enter:
			if last != "" && last != e.Process {
				f.handovers++
			}
			if left > 0 {
				f.idle = max(f.idle, e.At-left)
			}
			last, inside = e.Process, e.Process
		case leave:
			inside, left = "", e.At
		}
	}
	return f
}

// failures are the first n attempts that failed.
func (h history) failures(n int) (failed []report) {
	for _, r := range h.reports {
		if r.Error != "" && len(failed) < n {
			failed = append(failed, r)
		}
	}
	return failed
}
