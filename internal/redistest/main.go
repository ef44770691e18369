package redistest

import (
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

const reason = "needs a real redis-server: run `make test`"

var skipped struct {
	sync.Mutex
	tests map[string]bool
}

func skip(t testing.TB) {
	t.Helper()
	skipped.Lock()
	if skipped.tests == nil {
		skipped.tests = map[string]bool{}
	}
	skipped.tests[t.Name()] = true
	skipped.Unlock()
	t.Skip(reason)
}

// Main runs a package's tests and fails them if they leave goroutines behind.
// If tests were skipped for want of a redis-server, it says how many in one
// line. Call it from TestMain.
func Main(m *testing.M) {
	// Tests of a store wait for servers and leases more than they compute, so
	// more of them fit than there are CPUs. The command line can still decide.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if n := len(skipped.tests); n > 0 {
			fmt.Printf("redistest: %d tests skipped, each %s\n", n, reason)
		}
		os.Exit(code)
	}))
}
