package torture_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/effectlock/effectlock/internal/proc"
	"github.com/effectlock/effectlock/mutex"
)

// attempt is one call of an operation that asks for a lock. The journal records it at each
// stage: when it is called, when its work begins and ends, and when it returns.
type attempt struct {
	Process string
	Place   int
	Client  int
	Number  int // unique in its process
	Key     string
	Mode    mode
	TTL     time.Duration

	Called    instant
	Entered   instant `json:",omitzero"` // the first act of the work
	Holder    string  `json:",omitempty"`
	Token     uint64  `json:",omitzero"`
	Until     instant `json:",omitzero"` // when its lease ended, as known when it left, or else when it entered
	Seen      instant `json:",omitzero"` // when the work last saw its context live
	Cancelled instant `json:",omitzero"` // when the work saw the end of its context
	Notified  bool    `json:",omitzero"` // the context ended because the lock was lost
	Overdue   int     `json:",omitzero"` // how often in a row the work saw its context live after the lease had ended
	Blind     bool    `json:",omitzero"` // the work ignores its context
	Left      instant `json:",omitzero"` // the last act of the work
	Lost      instant `json:",omitzero"` // when the observer was called with the loss
	Returned  instant `json:",omitzero"`
	Kept      bool    `json:",omitzero"` // the holder still has the lock after the return
	Outcome   outcome
	Reason    mutex.LossReason `json:",omitempty"` // if it was lost
	Error     string           `json:",omitempty"`
}

// outcome is how an attempt ended.
type outcome string

const (
	done       outcome = "done"       // successfully
	refused    outcome = "refused"    // it did not wait, and the lock was not free
	gaveUp     outcome = "gave up"    // its context ended, perhaps during the work
	lost       outcome = "lost"       // with a *LockLostError
	unanswered outcome = "unanswered" // with a *MutexBackingError
	odd        outcome = "odd"        // with an unexpected error
	killed     outcome = "killed"     // with its process
)

// inside reports whether the work began.
func (a attempt) inside() bool { return a.Entered != 0 }

// write is one write to the register of a key. The answer to each write is the version before it.
type write struct {
	Process  string
	Client   int
	Attempt  int
	Key      string
	Version  version
	Called   instant
	Returned instant `json:",omitzero"` // zero if there was no answer
	Accepted bool    `json:",omitzero"`
	Before   version `json:",omitzero"`
}

// version is the content of a register: the last value that it accepted, the token of that
// value, and the count of increments.
type version struct {
	Token uint64
	Value int // unique to one write
	Count int
}

// gap is an unanswered request of a process for a key.
type gap struct {
	Process, Key string
	span
}

// line is a line of a journal. One of its fields is set.
type line struct {
	Attempt *attempt `json:",omitempty"`
	Write   *write   `json:",omitempty"`
	Gap     *gap     `json:",omitempty"`
	Stall   *span    `json:",omitempty"` // when the process did not run
}

// journal is where a process records events as they happen. It is a file, because a file
// outlives a process that is killed and, unlike a pipe, never makes the process wait for a
// reader.
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

// records are what has been read from all journals.
type records struct {
	Attempts []attempt
	Writes   []write
	Gaps     []gap
	stalls   map[string][]span // by process
}

// reading is how far the journal of a process has been read.
type reading struct {
	process string
	file    *os.File
	rest    []byte      // the start of an incomplete line
	at      map[int]int // the indexes of attempts, by number
	writes  map[int]int // the indexes of writes, by value
}

// goOn reads what has been added. A line without an end is unfinished, perhaps because the
// process was killed.
func (r *reading) goOn(all *records) error {
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
		var l line
		if err := json.Unmarshal(entry, &l); err != nil {
			return fmt.Errorf("the journal of %s has %q: %w", r.process, entry, err)
		}
		switch {
		case l.Attempt != nil:
			all.Attempts = latest(all.Attempts, r.at, l.Attempt.Number, *l.Attempt)
		case l.Write != nil:
			all.Writes = latest(all.Writes, r.writes, l.Write.Version.Value, *l.Write)
		case l.Gap != nil:
			all.Gaps = append(all.Gaps, *l.Gap)
		case l.Stall != nil:
			all.stalls[r.process] = append(all.stalls[r.process], *l.Stall)
		}
	}
}

// latest appends a, or replaces its earlier stage.
func latest[A any](all []A, places map[int]int, number int, a A) []A {
	if at, ok := places[number]; ok {
		all[at] = a
		return all
	}
	places[number] = len(all)
	return append(all, a)
}
