package stress_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/effectlock/effectlock/backing"
)

// world is one run: its randomness, and which goroutine is inside.
type world struct {
	mu       sync.Mutex
	r        *rand.Rand
	faults   bool
	lateness bool // requests may land after their sender has left
	named    bool // some use one holder id of their own for several acquisitions
	inside   string
	token    uint64 // the highest that a holder has had inside
	trouble  []string
	trace    []string
	began    time.Time
}

func (w *world) n(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.r.IntN(n)
}

func (w *world) dur(most time.Duration) time.Duration { return time.Duration(w.n(int(most))) }

// latest is how late a request may land. If holder ids are reused, that is within the time
// for which a release is remembered: a release that comes later is a new one.
func (w *world) latest() time.Duration {
	if w.named {
		return backing.ReleaseMemory - time.Second
	}
	return 8 * time.Second
}

func (w *world) faulty() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.faults
}

func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace = append(w.trace, fmt.Sprintf("%8.4f ", time.Since(w.began).Seconds())+fmt.Sprintf(format, args...))
}

func (w *world) wrong(format string, args ...any) {
	w.note("WRONG: "+format, args...)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trouble = append(w.trouble, fmt.Sprintf(format, args...))
}

// enter records that a holder is inside, with its token.
func (w *world) enter(name string, token uint64) {
	w.mu.Lock()
	other, highest := w.inside, w.token
	w.inside, w.token = name, max(highest, token)
	w.mu.Unlock()
	if other != "" {
		w.wrong("%s and %s are inside", other, name)
	}
	if token <= highest {
		w.wrong("%s is inside with the token %d, after %d", name, token, highest)
	}
}

func (w *world) leave(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.inside == name {
		w.inside = ""
	}
}
