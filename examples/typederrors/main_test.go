package main

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func Example() {
	main()
	// Output:
	// lock free    → success: done
	// lock taken   → success: busy: another holder has report
	// lock deleted → success: lost: the lock on report is gone; the work was cancelled
	// store down   → success: down: the store does not answer tryAcquire
	// work fails   → failure: disk full
	// work panics  → defect: nil map
}
