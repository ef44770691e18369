package torture_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/effectlock/effectlock/internal/proc"
	"github.com/effectlock/effectlock/mutex"
)

// attempt is one call of an operation that asks for a lock. The journal has it as it is at
// each of its stages: when it is called, when its work begins and ends, and when it returns.
type attempt struct {
	Process string
	Place   int
	Client  int
	Number  int // of the attempt, in its process
	Key     string
	Mode    mode
	TTL     time.Duration

	Called    instant
	Entered   instant `json:",omitzero"` // the first act of the work
	Holder    string  `json:",omitempty"`
	Token     uint64  `json:",omitzero"`
	Until     instant `json:",omitzero"` // when its lease ended, as far as known when it left, or at least when it entered
	Seen      instant `json:",omitzero"` // the last look at the context of the work at which that had not ended
	Cancelled instant `json:",omitzero"` // when the work saw the end of its context
	Told      bool    `json:",omitzero"` // that the lock was lost, by the cause of that end
	Overdue   int     `json:",omitzero"` // how often in a row the work saw its context live though the lease had ended
	Blind     bool    `json:",omitzero"` // the work does not look at its context
	Left      instant `json:",omitzero"` // the last act of the work
	Lost      instant `json:",omitzero"` // the observer was called with the loss
	Returned  instant `json:",omitzero"`
	Kept      bool    `json:",omitzero"` // its holder has the lock when it has returned
	Outcome   outcome
	Reason    mutex.LossReason `json:",omitempty"` // if it was lost
	Error     string           `json:",omitempty"`
}

// outcome is how an attempt ended.
type outcome string

const (
	done       outcome = "done"       // as it should
	refused    outcome = "refused"    // it would not wait, and the lock was not free
	gaveUp     outcome = "gave up"    // its context ended, be it in the work
	lost       outcome = "lost"       // with a *LockLostError
	unanswered outcome = "unanswered" // with a *MutexBackingError
	odd        outcome = "odd"        // with an error that it should not have
	killed     outcome = "killed"     // with its process
)

// inside reports whether the work began.
func (a attempt) inside() bool { return a.Entered != 0 }

// write is one write to the register of a key. A register tells each writer what it had before.
type write struct {
	Process  string
	Client   int
	Attempt  int
	Key      string
	Version  version
	Called   instant
	Returned instant `json:",omitzero"` // never, if no answer came
	Accepted bool    `json:",omitzero"`
	Before   version `json:",omitzero"`
}

// version is what a register has: the last value that it accepted, the token with which that
// came, and the count of increments.
type version struct {
	Token uint64
	Value int // of one write alone
	Count int
}

// gap is a request of a process for a key that was not answered.
type gap struct {
	Process, Key string
	span
}

// line is a line of a journal. It has one of these.
type line struct {
	Attempt *attempt `json:",omitempty"`
	Write   *write   `json:",omitempty"`
	Gap     *gap     `json:",omitempty"`
	Stall   *span    `json:",omitempty"` // the process did not run
}

// journal is where a process writes what happens, as it happens. It is a file, for that
// outlives a process that is killed; and unlike a pipe it never makes the process wait for
// its reader.
type journal struct {
	mu   sync.Mutex
	file *os.File
}

func (j *journal) add(l line) {
	text, err := json.Marshal(l)
	if err == nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		_, err = j.file.Write(append(text, '\n'))
	}
	if err != nil {
		proc.Fail("journal: %v", err)
	}
}

// read takes in the journal of a process. A line that has no end was not finished when the
// process was killed.
func (h *history) read(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	attempts, writes := map[int]int{}, map[int]int{} // their places in h
	for {
		entry, rest, complete := bytes.Cut(text, []byte{'\n'})
		if !complete {
			return nil
		}
		text = rest
		var l line
		if err := json.Unmarshal(entry, &l); err != nil {
			return fmt.Errorf("%s has %q: %w", path, entry, err)
		}
		switch {
		case l.Attempt != nil:
			h.Attempts = latest(h.Attempts, attempts, l.Attempt.Number, *l.Attempt)
		case l.Write != nil:
			h.Writes = latest(h.Writes, writes, l.Write.Version.Value, *l.Write)
		case l.Gap != nil:
			h.Gaps = append(h.Gaps, *l.Gap)
		case l.Stall != nil:
			process := filepath.Base(path)
			h.stood[process] = append(h.stood[process], *l.Stall)
		}
	}
}

// latest adds one, or puts it in the place of its earlier stage.
func latest[A any](all []A, places map[int]int, number int, a A) []A {
	if at, ok := places[number]; ok {
		all[at] = a
		return all
	}
	places[number] = len(all)
	return append(all, a)
}
