package histories_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/effectlock/effectlock/mutex"
)

// history is all that is known of a run. Its fields are exported to be kept in a
// file if the run fails.
type history struct {
	Seed     uint64
	Attempts []attempt
	Writes   []write
	Faults   []fault
	Gaps     []gap
}

// attempt is one call of WithLock, or of WithLockIfAvailable.
type attempt struct {
	Process string
	Client  int
	Key     string
	Try     bool // WithLockIfAvailable
	TTL     time.Duration

	Called    instant
	Entered   instant // the first act of the work
	Token     uint64
	Until     instant // when its lease ended, as far as known when it left, or at least when it entered
	Cancelled instant // when the work saw the end of its context
	Told      bool    // that the lock was lost, by the cause of that end
	Left      instant // the last act of the work
	Overdue   int     // how often in a row the work saw its context live though the lease had ended
	Returned  instant
	Outcome   outcome
	Reason    mutex.LossReason // if it was lost
	Error     string
}

// outcome is how an attempt ended.
type outcome string

const (
	done       outcome = "done"       // without an error
	refused    outcome = "refused"    // it would not wait, and the lock was not free
	gaveUp     outcome = "gave up"    // its context ended, be it in the work
	lost       outcome = "lost"       // with a *LockLostError
	unanswered outcome = "unanswered" // with a *MutexBackingError
	odd        outcome = "odd"        // with an error that it should not have
	killed     outcome = "killed"     // with its process
)

// inside reports whether the work began.
func (a attempt) inside() bool { return a.Entered != 0 }

// write is one write to the register of a key. A register tells each writer what
// it had before.
type write struct {
	Process  string
	Client   int
	Key      string
	Value    int // of this write alone
	Token    uint64
	Called   instant
	Returned instant // never, if no answer came
	Accepted bool
	Before   version
}

// version is what a register has: the last value that it accepted, and the token
// with which that came.
type version struct {
	Token uint64
	Value int
}

// fault is something that was done to a process, or to the server.
type fault struct {
	Kind    string
	Process string // "" if it concerned all
	From    instant
	To      instant
}

const (
	kill  = "kill"
	flush = "flush" // of all data
	stall = "stall" // nobody did it
)

// gap is a request that was not answered.
type gap struct {
	Process string
	Key     string
	From    instant
	To      instant
}

// keys are those of the history, in order of their first use.
func (h history) keys() (keys []string) {
	seen := map[string]bool{}
	for _, a := range h.Attempts {
		if !seen[a.Key] {
			seen[a.Key] = true
			keys = append(keys, a.Key)
		}
	}
	return keys
}

// keep writes the history to a file.
func (h history) keep(folder string) error {
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "history.json"), text, 0o600)
}
