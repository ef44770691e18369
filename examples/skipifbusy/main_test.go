package main

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func Example() {
	main()
	// Output:
	// 02:00 begins
	// 02:05 skipped: an earlier run is still going
	// 02:00 imported 140 orders
	// 02:10 imported 9 orders
}
