package main

import (
	"context"
	"slices"
	"time"
)

// workload is one question, and how it is measured.
type workload struct {
	name, title, about string
	// unit is what the cases vary, "" if there is only one case or the cases have
	// names.
	unit  string
	cases map[int]string
	// peers are the measured peers; nil means all complete ones.
	peers []string
	plan  func(quick bool) plan
	// ttl is the TTL of a lease, unless longer has another for the case.
	ttl    time.Duration
	longer map[int]time.Duration
	// processes is how many run the library, 0 means 1. sharedCore puts the
	// server on the clients' core; unpinned leaves all to the scheduler, with the
	// runtime's own GOMAXPROCS; counted counts requests on the wire.
	processes  int
	sharedCore bool
	unpinned   bool
	counted    bool
	// rounds is the least number unless another is asked for; fewer limits the rounds
	// of a case that takes long.
	rounds int
	fewer  map[int]int

	// measure runs in a process that has the library, gather in their parent.
	measure func(context.Context, *trial) (answer, error)
	gather  func([]answer, plan) (figures, error) // nil: use the figures of the only process

	columns []column
	targets []target
}

// plan is how much of a workload to run.
type plan struct {
	window  time.Duration
	prepare time.Duration // before the window, at most
	cases   []int
}

// lasting returns the plan with another window, unless that is 0.
func (p plan) lasting(window time.Duration) plan {
	if window > 0 {
		p.window = window
	}
	return p
}

// lease is the lease of a lock that is released soon.
const lease = 30 * time.Second

// allWorkloads returns the workloads in the order of the report. It is not a variable
// because a workload's process looks itself up here.
func allWorkloads() []workload {
	return []workload{
		alone(), aloneOneCore(), aloneUnpinned(), spread(), contended(), standingStart(), processes(), rested(), held(), waiting(),
		scripts(), footprint(),
	}
}

func workloadNames() []string {
	var names []string
	for _, w := range allWorkloads() {
		names = append(names, w.name)
	}
	return names
}

func workloadNamed(name string) (workload, bool) {
	for _, w := range allWorkloads() {
		if w.name == name {
			return w, true
		}
	}
	return workload{}, false
}

// measures reports whether a peer is measured in the workload.
func (w workload) measures(p peer) bool {
	if w.peers == nil {
		return !p.partial
	}
	return slices.Contains(w.peers, p.name)
}

func (w workload) label(kase int) string {
	if text := w.caseText(kase); text != "" {
		return w.name + ", " + text
	}
	return w.name
}

// caseText returns the name of a case in the report, or "" if there is only one case.
func (w workload) caseText(kase int) string {
	if w.unit != "" {
		return whole(float64(kase)) + " " + w.unit
	}
	return w.cases[kase]
}

// oneCase returns a plan with one case.
func oneCase(full, quick time.Duration) func(bool) plan {
	return func(q bool) plan {
		p := plan{window: full, cases: []int{0}}
		if q {
			p.window = quick
		}
		return p
	}
}

// column is one figure in a workload's table.
type column struct {
	figure  string
	heading string
	format  func(float64) string
	ratio   bool // also show it as a multiple of the baseline's
}
