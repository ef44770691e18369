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

// history is all that is known about a run. The exported fields are kept in a file if the run
// fails.
type history struct {
	Run  string
	Seed uint64
	records
	Faults []fault

	longest  time.Duration    // the longest lease
	clients  int              // in all processes at a time
	refusals bool             // the grants must explain each refusal
	fair     bool             // waiters are served in turn
	stood    map[string]spans // when each process stood still
	sick     map[int]spans    // when a place, or the server, was in trouble
	slow     spans            // when the server was slow, for any reason
	deleted  map[claimant][]fault
	counters map[string]int             // their values at the end
	leases   map[claimant]instant       // when each ended by the server's account, if it keeps one
	tokens   func(token uint64) instant // when the server gave a token
	healed   instant                    // when the last fault was over
	finished instant                    // when the processes were asked to begin nothing new

	gaps     map[claimant][]gap // by process; see gapsOf
	found    []violation
	drawings []drawing
	excused  int // excused refusals
	ordered  int // operations that have an order
}

type claimant struct{ key, holder string }

// author is the attempt that a write belongs to.
type author struct {
	process string
	attempt int
}

// violation is something that a lock must not do.
type violation struct{ rule, detail string }

// drawing shows a key whose operations have no order.
type drawing struct {
	name  string
	model porcupine.Model
	info  porcupine.LinearizationInfo
}

// fault is something that was done to a process, or to the server.
type fault struct {
	Kind    string
	Place   int // of the process; everywhere for the server
	Process string
	span
	Key    string // of the deleted lock
	Holder string // its holder, or the waiter it was reserved for
	Token  uint64 // the last token that the server had given before
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

// settle merges the stalls, and finds attempts that did not return.
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

// byKey returns the keys in order, and the attempts for each.
func (h *history) byKey() (keys []string, of map[string][]attempt) {
	of = map[string][]attempt{}
	for _, a := range h.Attempts {
		of[a.Key] = append(of[a.Key], a)
	}
	return slices.Sorted(maps.Keys(of)), of
}

// sections returns the attempts that had the lock, in order of entry.
func sections(attempts []attempt) (all []attempt) {
	for _, a := range attempts {
		if a.inside() {
			all = append(all, a)
		}
	}
	slices.SortFunc(all, func(a, b attempt) int { return cmp.Compare(a.Entered, b.Entered) })
	return all
}

// active returns for how much of a span the process could run.
func (h *history) active(process string, s span) time.Duration {
	return h.stood[process].without(s).length()
}

// deletion returns the fault that deleted a section's lock during its grant.
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

// near returns the faults around that time.
func (h *history) near(s span) (all []string) {
	for _, f := range h.Faults {
		if f.From < s.Until.add(time.Second) && s.From.add(-5*time.Second) < f.Until {
			all = append(all, f.String())
		}
	}
	return all
}

// rules returns how often each broken rule was broken.
func (h *history) rules() map[string]int {
	broken := map[string]int{}
	for _, v := range h.found {
		broken[v.rule]++
	}
	return broken
}

// report fails the test if there are violations, and shows the first few of each rule. It keeps
// the history, and drawings of it, in a folder that outlives the test.
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
	folder, err := os.MkdirTemp("", "effectlock-history-") //nolint:usetesting // kept for whoever investigates the failure
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
