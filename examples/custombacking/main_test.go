package main

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/backingtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	t.Parallel()
	backingtest.Run(t, func(*testing.T) backing.Backing { return &Records{} }, backingtest.Virtual())
}

func TestContractUnderFaults(t *testing.T) {
	t.Parallel()
	backingtest.RunFaults(t, func(*testing.T) (backing.Backing, backingtest.Faults) {
		records := &Records{}
		return records, backingtest.Faults{Wipe: records.byKey.Clear}
	}, backingtest.Virtual())
}

func Example() {
	main()
	// Output:
	// the store says that I have the lock: true
}
