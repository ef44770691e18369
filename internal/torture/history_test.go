package torture_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// history is all that is known of a run. Its fields that are exported are kept in a file if the run
// fails.
type history struct {
	Run  string
	Seed uint64
	records
	Faults []fault

	longest  time.Duration    // of the leases
	clients  int              // of all processes at a time
	refusals bool             // each has to be explained by the grants
	fair     bool             // waiters are served in turn
	stood    map[string]spans // when a process did nothing
	sick     map[int]spans    // when a place, or the server, was in trouble
	slow     spans            // when the server was, whatever the reason
	deleted  map[claimant][]fault
	counters map[string]int             // at the end
	leases   map[claimant]instant       // the server's own account of when each ended, if it keeps one
	tokens   func(token uint64) instant // when the server gave it
	healed   instant                    // the last fault was over
	finished instant                    // the processes were asked to begin nothing new

	gaps     map[claimant][]gap // by process; see gapsOf
	found    []violation
	drawings []drawing
	excused  int // refusals
	ordered  int // operations
}

type claimant struct{ key, holder string }

// author is the attempt that a write belongs to.
type author struct {
	process string
	attempt int
}

// violation is something that cannot be, if the lock is one.
type violation struct{ rule, detail string }

// drawing is of a key whose operations have no order.
type drawing struct {
	name  string
	model porcupine.Model
	info  porcupine.LinearizationInfo
}

// fault is something that was done to a process, or to the server.
type fault struct {
	Kind    string
	Place   int // of the process, everywhere if it is the server's
	Process string
	span
	Key    string // of a lock that was deleted
	Holder string // that had it, or for which it was reserved
	Token  uint64 // the last of all that the server had given before
}

const (
	everywhere = -1

	killing  = "killed"
	deleting = "deleted"
	flushing = "flushed"
)

func (f fault) String() string {
	where := "server"
	if f.Place != everywhere {
		where = "process " + f.Process
	}
	if f.Token != 0 {
		where = fmt.Sprintf("%s token %d", f.Key, f.Token)
	}
	return fmt.Sprintf("%.3f %v %s: %s", sec(f.From), f.length().Round(time.Millisecond), where, f.Kind)
}

func sec(i instant) float64 { return float64(i) / 1e9 }

func (a attempt) String() string {
	return fmt.Sprintf("process %s client %d mode %d: %s want %.4f enter %.4f left %.4f until %.4f cancelled %.4f returned %.4f token %d %s %s %s",
		a.Process, a.Client, a.Mode, a.Key, sec(a.Called), sec(a.Entered), sec(a.Left), sec(a.Until), sec(a.Cancelled), sec(a.Returned), a.Token, a.Outcome, a.Reason, a.Error)
}

func newHistory(faults []fault) *history {
	h := &history{
		Faults: faults, refusals: true, fair: true, stood: map[string]spans{}, sick: map[int]spans{}, deleted: map[claimant][]fault{},
		counters: map[string]int{}, leases: map[claimant]instant{}, tokens: func(uint64) instant { return 0 },
	}
	troubled := map[int][]span{}
	for _, f := range faults {
		switch {
		case f.Kind == deleting && f.Token != 0:
			of := claimant{f.Key, f.Holder}
			h.deleted[of] = append(h.deleted[of], f)
		case f.Kind != deleting && f.Kind != flushing && f.Kind != killing && f.Kind != "scripts flushed":
			troubled[f.Place] = append(troubled[f.Place], f.span)
		}
	}
	for place, spans := range troubled {
		h.sick[place] = union(spans)
	}
	return h
}

func (h *history) violated(rule, format string, args ...any) {
	h.found = append(h.found, violation{rule, fmt.Sprintf(format, args...)})
}

// settle puts the stalls in order, and looks for attempts that did not return.
func (h *history) settle() {
	for _, f := range h.Faults {
		if strings.HasPrefix(f.Kind, "stopped") {
			h.stood[f.Process] = append(h.stood[f.Process], f.span)
		}
	}
	for process, stalls := range h.stood {
		h.stood[process] = union(stalls)
	}
	for _, a := range h.Attempts {
		if _, dead := h.death(a.Process); a.Outcome == killed && !dead {
			h.violated("a survivor has not finished", "%v", a)
		}
	}
}

// of are the attempts at each key, in order of their names.
func (h *history) byKey() (keys []string, of map[string][]attempt) {
	of = map[string][]attempt{}
	for _, a := range h.Attempts {
		of[a.Key] = append(of[a.Key], a)
	}
	return slices.Sorted(maps.Keys(of)), of
}

// sections are those of the attempts that had the lock, by when they entered.
func sections(attempts []attempt) (all []attempt) {
	for _, a := range attempts {
		if a.inside() {
			all = append(all, a)
		}
	}
	slices.SortFunc(all, func(a, b attempt) int { return cmp.Compare(a.Entered, b.Entered) })
	return all
}

// active is for how much of a span the process could do something.
func (h *history) active(process string, s span) time.Duration {
	return h.stood[process].without(s).length()
}

// deletion is the fault that deleted the lock of a section under its grant.
func (h *history) deletion(a attempt) (f fault, deleted bool) {
	for _, f := range h.deleted[claimant{a.Key, a.Holder}] {
		if a.Token <= f.Token {
			return f, true
		}
	}
	for _, f := range h.Faults {
		if f.Kind == flushing && f.Until >= a.Called && (a.Returned == 0 || f.From <= a.Returned) {
			return f, true
		}
	}
	return f, false
}

// near are the faults about that time.
func (h *history) near(s span) (all []string) {
	for _, f := range h.Faults {
		if f.From < s.Until.add(time.Second) && s.From.add(-5*time.Second) < f.Until {
			all = append(all, f.String())
		}
	}
	return all
}

// rules are those that were broken, and how often.
func (h *history) rules() map[string]int {
	broken := map[string]int{}
	for _, v := range h.found {
		broken[v.rule]++
	}
	return broken
}

// report fails the test for each violation, and shows the first of each rule. It keeps the
// history, and drawings of it, in a folder that outlives the test.
func (h *history) report(t *testing.T) {
	t.Helper()
	t.Logf("%d operations have an order, %d refusals are excused", h.ordered, h.excused)
	if len(h.found) == 0 {
		return
	}
	const shown = 5
	broken := map[string]int{}
	for _, v := range h.found {
		if broken[v.rule]++; broken[v.rule] <= shown {
			t.Errorf("%s: %s", v.rule, v.detail)
		}
	}
	folder, err := os.MkdirTemp("", "effectlock-history-") //nolint:usetesting // it is kept for whoever looks into the failure
	if err == nil {
		err = h.keep(folder)
	}
	for _, d := range h.drawings {
		if err == nil {
			err = porcupine.VisualizePath(d.model, d.info, filepath.Join(folder, d.name+".html"))
		}
	}
	t.Errorf("broken: %v, kept in %s: %v", broken, folder, err)
}

func (h *history) keep(folder string) error {
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "history.json"), text, 0o600)
}
