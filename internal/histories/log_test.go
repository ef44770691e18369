package histories_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/effectlock/effectlock/mutex"
)

// line is one thing that happened in a process. An attempt has up to four, a write
// two: what was under way when the process was killed is known by the first.
type line struct {
	Kind string // called, entered, left, returned; write, written; gap, stall
	At   instant
	From instant `json:",omitzero"` // of a gap or a stall

	Attempt   int              `json:",omitzero"` // its number in the process
	Client    int              `json:",omitzero"`
	Key       string           `json:",omitzero"`
	Try       bool             `json:",omitzero"`
	TTL       time.Duration    `json:",omitzero"`
	Token     uint64           `json:",omitzero"`
	Until     instant          `json:",omitzero"`
	Cancelled instant          `json:",omitzero"`
	Told      bool             `json:",omitzero"`
	Overdue   int              `json:",omitzero"`
	Outcome   outcome          `json:",omitzero"`
	Reason    mutex.LossReason `json:",omitzero"`
	Error     string           `json:",omitzero"`

	Value    int     `json:",omitzero"` // of a write
	Accepted bool    `json:",omitzero"`
	Before   version `json:",omitzero"`
}

// log is where a process writes what happens, as it happens. It is a file, for
// that outlives a process that is killed; and unlike a pipe it never has the
// process wait for whoever reads.
type log struct {
	mu   sync.Mutex
	file *os.File
}

func (l *log) add(entry line) {
	text, err := json.Marshal(entry)
	if err == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		_, err = l.file.Write(append(text, '\n'))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "log:", err)
		os.Exit(4)
	}
}

// reading is what has been read of the log of a process.
type reading struct {
	process  string
	file     *os.File
	rest     []byte // of a line that was not complete
	entered  int
	attempts map[int]*attempt
	order    []*attempt
	writes   []*write
	pending  map[int]*write
	gaps     []gap
	stalls   []fault
}

func newReading(process string, file *os.File) *reading {
	return &reading{process: process, file: file, attempts: map[int]*attempt{}, pending: map[int]*write{}}
}

// goOn reads what has been added. What comes after the last line end is kept for
// the next time; of a process that was killed it is what it did not finish.
func (r *reading) goOn() error {
	text, err := io.ReadAll(r.file)
	if err != nil {
		return err
	}
	text = append(r.rest, text...)
	for {
		entry, rest, complete := bytes.Cut(text, []byte{'\n'})
		if !complete {
			r.rest = bytes.Clone(text)
			return nil
		}
		text = rest
		var e line
		if err := json.Unmarshal(entry, &e); err != nil {
			return fmt.Errorf("the log of %s has %q: %w", r.process, entry, err)
		}
		r.take(e)
	}
}

func (r *reading) take(e line) {
	a := r.attempts[e.Attempt]
	switch e.Kind {
	case "called":
		a = &attempt{Process: r.process, Client: e.Client, Key: e.Key, Try: e.Try, TTL: e.TTL, Called: e.At, Outcome: killed}
		r.attempts[e.Attempt] = a
		r.order = append(r.order, a)
	case "entered":
		a.Entered, a.Token, a.Until = e.At, e.Token, e.Until
		r.entered++
	case "left":
		a.Left, a.Until, a.Cancelled, a.Told, a.Overdue = e.At, e.Until, e.Cancelled, e.Told, e.Overdue
	case "returned":
		a.Returned, a.Outcome, a.Reason, a.Error = e.At, e.Outcome, e.Reason, e.Error
	case "write":
		w := &write{Process: r.process, Client: e.Client, Key: e.Key, Value: e.Value, Token: e.Token, Called: e.At}
		r.writes, r.pending[e.Value] = append(r.writes, w), w
	case "written":
		w := r.pending[e.Value]
		w.Returned, w.Accepted, w.Before = e.At, e.Accepted, e.Before
		delete(r.pending, e.Value)
	case "gap":
		r.gaps = append(r.gaps, gap{r.process, e.Key, e.From, e.At})
	case stall:
		r.stalls = append(r.stalls, fault{stall, r.process, e.From, e.At})
	}
}
