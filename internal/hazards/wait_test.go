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

	// lease is a lease that ends within a test.
	lease = 3 * time.Second

	// short is how long an outage lasts, or a caller is willing to wait.
	short = 400 * time.Millisecond

	// soon is the limit for every wait: much less than a long lease, and more than a busy machine
	// adds to 2 s, the longest that a lock is kept for a waiter that does not come for it.
	soon = 20 * time.Second

	look = 2 * time.Millisecond // how often a condition is checked
)

// eventually waits until a condition is true.
func eventually(t *testing.T, ok func() bool, what string, args ...any) {
	t.Helper()
	for give := time.Now().Add(soon); !ok(); time.Sleep(look) {
		if time.Now().After(give) {
			require.FailNow(t, "timed out waiting until "+fmt.Sprintf(what, args...))
		}
	}
}

// receive waits for a value.
func receive[A any](t *testing.T, from <-chan A, what string) (value A) {
	t.Helper()
	select {
	case value = <-from:
	case <-time.After(soon):
		require.FailNow(t, "timed out waiting for "+what)
	}
	return value
}

// full reports whether EFFECTLOCK_HAZARDS_FULL is set: a test then runs in full, which takes long
// or keeps the machine busy. Otherwise it runs only in part.
func full(t *testing.T) bool {
	t.Helper()
	return os.Getenv("EFFECTLOCK_HAZARDS_FULL") != ""
}
