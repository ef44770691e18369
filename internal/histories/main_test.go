package histories_test

import (
	"os"
	"testing"

	"github.com/effectlock/effectlock/internal/redistest"
)

// TestMain is also where a worker process begins: it is this binary again, so that
// the lock in it was built from the same code and with the same -race.
func TestMain(m *testing.M) {
	if encoded, ok := os.LookupEnv(assignmentVariable); ok {
		os.Exit(work(encoded))
	}
	redistest.Main(m)
}
