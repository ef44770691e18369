package backingtest

import (
	"errors"
	"testing"
	"time"

	"github.com/effectlock/effectlock/backing"
)

// Faults are what a test can do to the store behind one backing, and to the connection
// between the two. If a function is nil, the cases that need it check nothing, and the log
// names them.
//
// RunFaults calls them from one goroutine, and never during an operation that it expects to
// be answered. Each must have taken effect when it returns.
type Faults struct {
	// LoseReply lets the store apply the next operation that may change something, which is
	// any but IsLocked and GetHolder, and loses the answer. The client may see a broken
	// connection or try again by itself.
	LoseReply func()
	// Cut lets nothing through, neither requests nor answers, and gives no sign of it: no
	// connection breaks.
	Cut func()
	// Heal ends Cut; it must be set if Cut is. What was sent during the cut may arrive now,
	// somewhat later than what is sent from now on, or never: the later, the more it shows.
	Heal func()
	// Wipe makes the store forget everything, like a server that comes back from a crash
	// without its data. Like Restart, it returns when the store can be used again.
	Wipe func()
	// Restart stops the store and starts it again, with its data.
	Restart func()
}

// RunFaults checks the promises of the contract that show only when something goes wrong
// between the store and its client. Use it beside [Run], which checks everything else.
//
// open makes the backing of one case, and says what can be done to its store. Unlike those
// of Run, these backings must not share a store or a connection to it: the cases run in
// parallel, and each breaks its own. open should end what it starts with t.Cleanup.
//
// It checks that a client which asks again after a lost answer finds what the first request
// did, with no lower token; that a client which gives up during a cut returns soon, and
// leaves nothing behind once it has called Release; that an operation without an answer is
// an error; that nobody still holds what the store has forgotten, while what it keeps over
// a restart is still held; and that tokens rise across both.
//
// After a fault, an operation that fails is asked again until it succeeds, for up to 20 s.
// A context that ends must be obeyed within 2 s. If it is not, the case is run again, up to
// three times, because the machine may have been slow. After a cut the kit waits for one
// lease: it does not see requests that arrive later.
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

// wipes makes the store forget everything. The clock from which a store takes its tokens
// may stand still in virtual time, but not while a store loses its data.
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
