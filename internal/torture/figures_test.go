package torture_test

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/mutex"
)

// figures sum up a history, and show whether it put the lock to the test.
type figures struct {
	outcomes     map[outcome]int
	lost         map[mutex.LossReason]int
	inside       int // attempts whose work began
	killedInside int
	handovers    int // between processes
	unprovoked   int // losses without a fault, a stall or an unanswered request
	overran      int // work that ended after its lease
	outlasted    int // work that saw its context end with the lease, or should have
	writes       int // answered writes
	stale        int // refused writes
	gaps         int
	longestWait  time.Duration
	idle         time.Duration // the longest time between two holders of a key
	window       span
	requests     int // in the window
}

func (f figures) String() string {
	return fmt.Sprintf("attempts %v, %d of them inside (%d killed there, %d beyond their lease, %d to its end), lost %v (%d unprovoked); %d handovers between processes, "+
		"longest wait %v, a lock was free for up to %v; %d writes, %d of them refused as stale; %d requests not answered",
		f.outcomes, f.inside, f.killedInside, f.overran, f.outlasted, f.lost, f.unprovoked, f.handovers,
		f.longestWait.Round(time.Millisecond), f.idle.Round(time.Millisecond), f.writes, f.stale, f.gaps)
}

func (h *history) figures() figures {
	f := figures{outcomes: map[outcome]int{}, lost: map[mutex.LossReason]int{}, gaps: len(h.Gaps)}
	_, of := h.byKey()
	for _, attempts := range of {
		var last attempt
		for _, a := range sections(attempts) {
			f.inside++
			f.longestWait = max(f.longestWait, a.Entered.since(a.Called))
			if a.Notified || a.Overdue > 0 {
				f.outlasted++
			}
			if a.Left > a.Until {
				f.overran++
			}
			if _, dead := h.death(a.Process); dead && a.Outcome == killed && a.Left == 0 {
				f.killedInside++
			}
			if last.Process != "" && last.Process != a.Process {
				f.handovers++
			}
			if last.Left != 0 {
				f.idle = max(f.idle, a.Entered.since(last.Left))
			}
			last = a
		}
	}
	for _, a := range h.Attempts {
		f.outcomes[a.Outcome]++
		if _, deleted := h.deletion(a); a.Outcome == lost {
			f.lost[a.Reason]++
			if !deleted && !h.disturbed(a) && !h.hasGap(a) {
				f.unprovoked++
			}
		}
	}
	for _, w := range h.Writes {
		if w.Returned != 0 {
			f.writes++
			if !w.Accepted {
				f.stale++
			}
		}
	}
	return f
}

// shares says how evenly the lock was shared in a window.
type shares struct {
	turns              int
	processes, clients float64       // Jain's index of fairness: 1 is equal shares, 1/n is one getting everything
	longest, share     time.Duration // the longest wait, and the wait if all are equal
}

func (h *history) shares(in span) (s shares) {
	ofProcess, ofClient := map[string]float64{}, map[string]float64{}
	for _, a := range h.Attempts {
		client := fmt.Sprint(a.Process, "/", a.Client)
		ofProcess[a.Process] += 0 // some may never be served
		ofClient[client] += 0
		if !a.inside() {
			continue
		}
		s.longest = max(s.longest, min(a.Entered, in.Until).since(max(a.Called, in.From)))
		if a.Entered >= in.From && a.Entered < in.Until {
			s.turns++
			ofProcess[a.Process]++
			ofClient[client]++
		}
	}
	s.processes, s.clients = jain(ofProcess), jain(ofClient)
	s.share = in.length() * time.Duration(len(ofClient)) / time.Duration(max(s.turns, 1))
	return s
}

func jain(shares map[string]float64) float64 {
	var sum, squares float64
	for _, x := range shares {
		sum, squares = sum+x, squares+x*x
	}
	return sum * sum / (float64(len(shares)) * squares)
}

// requests returns how many requests clients have sent to the server, without calls in scripts.
func (r *round) requests() (n int) {
	r.t.Helper()
	if r.direct == nil {
		return 0
	}
	stats, err := r.direct.Info(r.t.Context(), "commandstats").Result()
	require.NoError(r.t, err)
	for _, calls := range sent.FindAllStringSubmatch(stats, -1) {
		k, err := strconv.Atoi(calls[1])
		require.NoError(r.t, err)
		n += k
	}
	return n
}

var sent = regexp.MustCompile(`cmdstat_(?:evalsha|eval|script\|load|subscribe|unsubscribe|ping|hello|client\|\w+|info):calls=(\d+)`)

// percentile returns a percentile of sorted durations.
func percentile(all []time.Duration, percent int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	return all[(len(all)-1)*percent/100]
}
