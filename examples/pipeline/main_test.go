package main

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func Example() {
	main()
	// Output:
	// try 1: no answer from the bank
	// paid 100, 395 are left
	// try 1: no answer from the bank
	// paid 100, 292 are left
}
