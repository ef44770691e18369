package main

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func Example() {
	main()
	// Output:
	// both are free
	//   lock of ann acquired
	//   lock of bob acquired
	//   lock of bob released
	//   lock of ann released
	//   result: transferred
	// bob is busy
	//   lock of bob acquired
	//   lock of ann acquired
	//   lock of bob not acquired
	//   lock of ann released
	//   lock of bob released
	//   result: nothing transferred
	// ann is deleted
	//   lock of ann acquired
	//   lock of ann lost
	//   result: lock "ann" was lost (gone): its key is no longer in the store, or somebody else released it; another holder may have worked at the same time: check the result
}
