package main

import (
	"context"
	"fmt"
	"time"
)

// workload is one question, and how it is measured.
type workload struct {
	name, title, about string
	// unit is what the cases vary, "" if there is but one case.
	unit string
	plan func(quick bool) plan
	ttl  time.Duration // of a lease
	// processes is how many run the library, 0 means 1. sharedCore has the
	// server on the clients' core; counted counts requests on the wire.
	processes  int
	sharedCore bool
	counted    bool
	// fewer limits the rounds of a case that takes long.
	fewer map[int]int

	// measure runs in a process that has the library, gather in their parent.
	measure func(context.Context, *trial) (answer, error)
	gather  func([]answer, plan) (figures, error) // nil: what the only process says

	columns []column
	targets []target
}

// plan is how much of a workload to run.
type plan struct {
	window  time.Duration
	prepare time.Duration // before the window, at most
	cases   []int
}

// lease is that of a lock that is let go of soon.
const lease = 30 * time.Second

// allWorkloads returns the workloads in the order of the report. It is no
// variable because a workload's process looks itself up here.
func allWorkloads() []workload {
	return []workload{alone(), aloneOneCore(), spread(), contended(), processes(), rested(), held(), waiting()}
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

func (w workload) label(kase int) string {
	if w.unit == "" {
		return w.name
	}
	return fmt.Sprintf("%s, %d %s", w.name, kase, w.unit)
}

// lasting is a plan of one case.
func lasting(full, quick time.Duration) func(bool) plan {
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
	ratio   bool // also as a multiple of the baseline's
}
