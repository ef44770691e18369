package backingtest_test

import (
	"testing"
	"time"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/backingtest"
	"github.com/effectlock/effectlock/backing/memory"
)

// The test of a store. Virtual is for one whose only clock is the time package.
//
//nolint:testableexamples // it needs a *testing.T
func ExampleRun() {
	_ = func(t *testing.T) { // func TestContract(t *testing.T) {
		open := func(*testing.T) backing.Backing { return memory.New() }
		backingtest.Run(t, open, backingtest.Virtual())
	}
}

// The test of a store in a server, with a clock that counts whole seconds.
//
//nolint:testableexamples // it needs a *testing.T
func ExampleRunFaults() {
	_ = func(t *testing.T) { // func TestContractUnderFaults(t *testing.T) {
		open := func(*testing.T) (backing.Backing, backingtest.Faults) {
			store := &restarted{Backing: memory.New()}
			return store, backingtest.Faults{Wipe: store.wipe}
		}
		backingtest.RunFaults(t, open, backingtest.TTL(5*time.Second), backingtest.RemembersUnanswered())
	}
}

// restarted is a store that can lose its data.
type restarted struct{ backing.Backing }

func (r *restarted) wipe() { r.Backing = memory.New() }
