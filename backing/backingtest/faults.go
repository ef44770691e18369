package backingtest

import (
	"errors"
	"testing"
	"time"

	"github.com/effectlock/effectlock/backing"
)

// Faults are what a test can do to the store behind one backing, and to the way
// between the two. A function that is nil cannot be done: the log names the
// cases that need it, and they show nothing.
//
// RunFaults calls them from one goroutine, and never while an operation is under
// way that it expects to be answered. Each must have taken effect when it returns.
type Faults struct {
	// LoseReply lets the store apply the next operation, and loses the answer. It is one
	// that may change something: any but IsLocked and GetHolder. Whether the client then sees a connection that broke, or tries
	// again by itself, is up to it.
	LoseReply func()
	// Cut lets nothing through, neither requests nor answers, and nobody is told:
	// connections do not break by it.
	Cut func()
	// Heal ends Cut; it must be set if Cut is. What was sent meanwhile may arrive
	// now, somewhat later than what is sent from now on, or never: the later, the
	// more it shows.
	Heal func()
	// Wipe makes the store forget everything, as a server does that comes back from
	// a crash without its data. It returns when the store can be used again, and so
	// does Restart.
	Wipe func()
	// Restart ends the store and starts it again, with its data.
	Restart func()
}

// RunFaults checks the promises of the contract that only show when something
// goes wrong between the store and its client. It is meant beside [Run], which
// checks everything else.
//
// open makes the backing of one case and what can be done to its store. Unlike
// the backings of Run, those must not share a store, nor a way to it, because the
// cases run in parallel and each breaks its own. What open starts it should end
// with t.Cleanup.
//
// What is checked: a client that asks again after a lost answer finds what the first
// time did, with no lower token. A client that gives up while the way is cut learns it
// soon, and leaves nothing behind once it has called Release. What the store did not
// answer is an error. Nobody goes on holding what the store has forgotten; what it keeps
// over a restart goes on to be held; and tokens rise over both.
//
// After a fault, an operation that fails is asked again until it does not, for
// up to 20 s. A context that ends is followed within 2 s, or the case is run
// again, up to three times, because the machine may have been slow. What is still
// under way after a cut is waited for no longer than a lease: what lands later,
// the kit does not see.
func RunFaults(t *testing.T, open func(t *testing.T) (backing.Backing, Faults), opts ...Option) {
	t.Helper()
	k, err := newKit(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("faults", func(t *testing.T) {
		k.run(t, k.exerciseFaults, func(t *testing.T) *probe {
			store, faults := open(t)
			if err := faults.check(); err != nil {
				t.Fatal(err)
			}
			return newProbe(t, store, k).with(faults)
		})
	})
}

func (f Faults) check() error {
	switch {
	case f.LoseReply == nil && f.Cut == nil && f.Wipe == nil && f.Restart == nil:
		return errors.New("backingtest: Faults has no fault; set at least one of LoseReply, Cut, Wipe and Restart")
	case f.Cut != nil && f.Heal == nil:
		return errors.New("backingtest: Faults.Heal is nil; it must be set if Cut is, which nothing else ends")
	}
	return nil
}

func (k kit) exerciseFaults(run runner) {
	run = run.patiently()
	for _, fault := range []struct {
		name     string
		can      func(*probe) bool
		exercise func(runner)
	}{
		{"LoseReply", func(p *probe) bool { return p.faults.LoseReply != nil }, exerciseLost},
		{"Cut", func(p *probe) bool { return p.faults.Cut != nil }, exerciseCut},
		{"Wipe", func(p *probe) bool { return p.faults.Wipe != nil }, exerciseWipe},
		{"Restart", func(p *probe) bool { return p.faults.Restart != nil }, exerciseRestart},
	} {
		fault.exercise(run.offering("Faults."+fault.name, fault.can).in(fault.name))
	}
}

func (p *probe) with(f Faults) *probe {
	p.faults = &f
	return p
}

// wipes makes the store forget everything. A clock that a store takes its tokens
// from may stand still in virtual time, but not while a store loses its data.
func (p *probe) wipes() {
	p.Helper()
	control := p.key("control")
	p.acquires(freeIsGiven, control, "control", long)
	time.Sleep(p.ttl / 100)
	p.faults.Wipe()
	p.note("Faults.Wipe()")
	if p.locked(control) {
		p.Fatalf("backingtest: Faults.Wipe left a key that was held before")
	}
}

func (p *probe) restarts() {
	time.Sleep(p.ttl / 100)
	p.faults.Restart()
	p.note("Faults.Restart()")
}
