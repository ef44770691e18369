package main

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func Example() {
	main()
	// Output:
	// first has the lock, and is stopped
	// second has the lock, and writes
	// first goes on, and writes
	// first: write refused: the document has seen a newer token
	// lock "document" was lost (expired): its lease ran out before it could be refreshed; another holder may have worked at the same time: check the result
	// the document was written by the second
}
