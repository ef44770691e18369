package hazards_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// long is a lease that no test outlives.
	long = time.Minute

	// lease is one that ends within a test.
	lease = 3 * time.Second

	// short is for how long an outage goes on, or a caller is willing to wait.
	short = 400 * time.Millisecond

	// soon is the one bound of what is waited for: much less than a lease that is long, and more
	// than a busy machine adds to what takes 2 s at most, the longest that a lock is kept for a
	// waiter that does not come for it.
	soon = 20 * time.Second

	look = 2 * time.Millisecond // how often a condition is looked at
)

// eventually waits until a condition is true.
func eventually(t *testing.T, ok func() bool, what string, args ...any) {
	t.Helper()
	for give := time.Now().Add(soon); !ok(); time.Sleep(look) {
		if time.Now().After(give) {
			require.FailNow(t, "never came true: "+fmt.Sprintf(what, args...))
		}
	}
}

// receive waits for a value.
func receive[A any](t *testing.T, from <-chan A, what string) (value A) {
	t.Helper()
	select {
	case value = <-from:
	case <-time.After(soon):
		require.FailNow(t, "never came: "+what)
	}
	return value
}

// full reports whether a test takes all of its numbers, which lasts long or keeps the machine
// busy: EFFECTLOCK_HAZARDS_FULL is set. Otherwise it takes a part of them.
func full(t *testing.T) bool {
	t.Helper()
	return os.Getenv("EFFECTLOCK_HAZARDS_FULL") != ""
}
