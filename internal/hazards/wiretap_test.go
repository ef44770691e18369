package hazards_test

import (
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// wiretap hears which leases a server writes. What is left of a lease cannot
// say that: one of a millisecond is over before anybody can ask.
type wiretap struct {
	mu     sync.Mutex
	leases map[string][]int64 // of each key, in milliseconds, in their order
	forced map[string][]int64 // those that are written whether the key is free or not
	marks  map[string]bool
	say    func(mark string)
}

// written finds a lease in what MONITOR tells of the commands of scripts.
var written = regexp.MustCompile(`lua\] "(?:SET|PEXPIRE)" "dmutex:([^"]*)" .*"(-?\d+)"$`)

var ifFree = regexp.MustCompile(`"NX" "PX" "\d+"$`)

var marked = regexp.MustCompile(`"ECHO" "(\d+)"$`)

func (s store) tap(t *testing.T) *wiretap {
	t.Helper()
	w := &wiretap{leases: map[string][]int64{}, forced: map[string][]int64{}, marks: map[string]bool{}, say: func(mark string) {
		require.NoError(t, s.direct.Do(t.Context(), "ECHO", mark).Err())
	}}
	s.monitor(t, w.hear)
	return w
}

func (w *wiretap) hear(line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if m := marked.FindStringSubmatch(line); m != nil {
		w.marks[m[1]] = true
	}
	if m := written.FindStringSubmatch(line); m != nil {
		ms, _ := strconv.ParseInt(m[2], 10, 64)
		w.leases[m[1]] = append(w.leases[m[1]], ms)
		if !ifFree.MatchString(line) {
			w.forced[m[1]] = append(w.forced[m[1]], ms)
		}
	}
}

// of returns the leases of a lock that have been written up to now, or would have
// been if it had been free.
func (w *wiretap) of(t *testing.T, key string) []int64 {
	t.Helper()
	w.catchUp(t)
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.leases[key]
}

// over returns those of a lock that need not have been free for it.
func (w *wiretap) over(t *testing.T, key string) []int64 {
	t.Helper()
	w.catchUp(t)
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.forced[key]
}

func (w *wiretap) catchUp(t *testing.T) {
	t.Helper()
	mark := fmt.Sprint(time.Now().UnixNano())
	w.say(mark)
	eventually(t, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.marks[mark]
	}, "MONITOR tells of the mark")
}
