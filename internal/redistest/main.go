package redistest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

var skipped struct {
	sync.Mutex
	tests map[string]bool
}

// skip skips a test that needs the program that the environment variable would name.
func skip(t testing.TB, variable string) {
	t.Helper()
	skipped.Lock()
	if skipped.tests == nil {
		skipped.tests = map[string]bool{}
	}
	skipped.tests[t.Name()] = true
	skipped.Unlock()
	t.Skipf("needs %s: run `make test`", variable)
}

// tell prints a line, also to the terminal if there is one: go test ./... does not
// show the output of a package that passes.
func tell(line string) {
	fmt.Print(line)
	if testing.Verbose() {
		return
	}
	if tty, err := os.OpenFile("/dev/tty", os.O_WRONLY, 0); err == nil {
		_, _ = fmt.Fprint(tty, line)
		_ = tty.Close()
	}
}

// Main runs a package's tests and fails them if they leave goroutines behind. If tests
// were skipped because there is no redis-server or proxy, it prints how many in one
// line. Call it from TestMain.
func Main(m *testing.M) {
	// Tests of a store wait for servers and leases more than they compute, so
	// more of them fit than there are CPUs. The command line takes precedence.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if n := len(skipped.tests); n > 0 {
			tell(fmt.Sprintf("%s: %d tests skipped, each needs a real server: run `make test`\n", filepath.Base(os.Args[0]), n))
		}
		os.Exit(code)
	}))
}
