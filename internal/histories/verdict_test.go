package histories_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/effectlock/effectlock/mutex"
)

// checkLimit bounds the check of one key: one that is in order takes well under a
// second, and one that is not may take for ever.
const checkLimit = time.Minute

// enoughLooks is how often work may see its context live though its lease has
// ended. It looks about once a millisecond, and it is the work that counts: so a
// process that does not run does not look either. But on a busy machine one thread of
// a process may look on while another, which is to end the context, waits for its turn.
// So the number is high, and looks do not count while the server stood still: then
// the whole machine did, or nearly so. Most often it takes one look.
const enoughLooks = 400

// verdict is what the check of a history has found.
type verdict struct {
	complaints []string
	checked    int // operations that were put in order
	excused    int // refusals that were not
	drawings   []drawing
}

// drawing is of a key whose operations have no order.
type drawing struct {
	name  string
	model porcupine.Model
	info  porcupine.LinearizationInfo
}

// judge checks a history.
func (h history) judge() (v verdict) {
	clients := h.clients()
	for _, key := range h.keys() {
		locked, excused := h.lockOperations(key, clients)
		written := h.registerOperations(key, clients)
		v.checked, v.excused = v.checked+len(locked)+len(written), v.excused+excused
		// One after the other: the memory that a check needs grows with the square
		// of what it checks.
		v.order("the lock of "+key, lockModel, locked)
		v.order("the register of "+key, registerModel, written)
	}
	v.complaints = append(v.complaints, h.brokenPromises()...)
	v.complaints = append(v.complaints, h.robbedHolders()...)
	return v
}

// order looks for an order of the operations.
func (v *verdict) order(name string, model porcupine.Model, ops []porcupine.Operation) {
	switch porcupine.CheckOperationsTimeout(model, ops, checkLimit) {
	case porcupine.Ok:
		return
	case porcupine.Illegal:
		v.complaints = append(v.complaints, fmt.Sprintf("the %d operations of %s have no order", len(ops), name))
	case porcupine.Unknown:
		v.complaints = append(v.complaints, fmt.Sprintf("no order of the %d operations of %s was found in %v", len(ops), name, checkLimit))
	}
	_, info := porcupine.CheckOperationsVerbose(model, ops, checkLimit)
	v.drawings = append(v.drawings, drawing{name, model, info})
}

// brokenPromises are those that each attempt shows by itself.
func (h history) brokenPromises() (found []string) {
	complain := func(a attempt, format string, args ...any) {
		found = append(found, fmt.Sprintf(format, args...)+fmt.Sprintf(": %+v", a))
	}
	flushed := false
	for _, f := range h.Faults {
		flushed = flushed || f.Kind == flush
	}
	for _, a := range h.Attempts {
		noticed := a.Returned
		if a.Told {
			noticed = a.Cancelled
		}
		if a.Outcome == odd {
			complain(a, "an error that should not be")
		}
		if a.inside() && a.Token == 0 {
			complain(a, "no token")
		}
		if a.Overdue > enoughLooks && !h.stalled(a.Until, a.Left) {
			complain(a, "the context did not end with the lease")
		}
		if a.inside() && a.Outcome == done && a.Left >= a.Until {
			complain(a, "success, though the work ended %v after the lease", a.Left.since(a.Until))
		}
		if a.Outcome == lost && a.Reason != mutex.Expired && noticed < a.Until && !flushed {
			complain(a, "somebody else freed or took the lock %v before its lease ended", a.Until.since(noticed))
		}
	}
	return found
}

// stalled reports whether the server stood still at that time.
func (h history) stalled(from, to instant) bool {
	return slices.ContainsFunc(h.Faults, func(f fault) bool {
		return f.Kind == stall && f.Process == "" && span{f.From, f.To}.meets(from, to)
	})
}

// robbedHolders are those whose write was refused while they could rely on the lock.
func (h history) robbedHolders() (found []string) {
	type grant struct {
		process, key string
		token        uint64
	}
	tenures := map[grant]span{}
	for _, a := range h.Attempts {
		if a.inside() {
			from, to := h.reliedOn(a)
			tenures[grant{a.Process, a.Key, a.Token}] = span{from, to}
		}
	}
	for _, w := range h.Writes {
		s, ok := tenures[grant{w.Process, w.Key, w.Token}]
		if ok && w.Returned != 0 && !w.Accepted && w.Called >= s.from && w.Returned <= s.to {
			found = append(found, fmt.Sprintf("a holder's write was refused: %+v", w))
		}
	}
	return found
}

// assertInOrder fails the test if the history has a fault. Then it keeps the
// history, and drawings of it, in a folder that outlives the test.
func (h history) assertInOrder(t *testing.T) verdict {
	t.Helper()
	began := time.Now()
	v := h.judge()
	t.Logf("%d operations have an order, %d refusals are excused; found in %.1f s", v.checked, v.excused, time.Since(began).Seconds())
	if len(v.complaints) == 0 {
		return v
	}
	t.Errorf("%d complaints, of which the first are", len(v.complaints))
	for _, c := range v.complaints[:min(10, len(v.complaints))] {
		t.Error(c)
	}
	folder, err := os.MkdirTemp("", "effectlock-history-") //nolint:usetesting // it is kept for whoever looks into the failure
	if err == nil {
		err = h.keep(folder)
	}
	for _, d := range v.drawings {
		if err == nil {
			err = porcupine.VisualizePath(d.model, d.info, filepath.Join(folder, d.name+".html"))
		}
	}
	t.Errorf("kept in %s (seed %d): %v", folder, h.Seed, err)
	return v
}
