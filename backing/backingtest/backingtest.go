// Package backingtest checks that a store keeps the contract of package backing.
//
//	func TestContract(t *testing.T) {
//		backingtest.Run(t, func(t *testing.T) backing.Backing { return mystore.New() })
//	}
//
// A failure quotes the sentence of the contract that was broken, says what the store
// answered, and lists the calls that led to it. [RunFaults] checks what only a lost answer,
// a cut connection or a restart shows, with the faults that the test can cause:
//
//	func TestContractUnderFaults(t *testing.T) {
//		backingtest.RunFaults(t, func(t *testing.T) (backing.Backing, backingtest.Faults) {
//			server := startServer(t)
//			return mystore.New(server.Addr()), backingtest.Faults{Wipe: server.Wipe, Restart: server.Restart}
//		})
//	}
//
// Neither can check what no answer shows, such as whether expiry is judged by the store's
// own clock.
//
// # How it works
//
// Besides cases that are written by hand, the kit has a model, a reference that says what a
// store may answer to each operation. The kit plays random scripts of the operations that the
// store offers, one operation at a time, and compares the answers. Package rapid shrinks a
// script that fails, and prints the seed. Then several goroutines call the store at once, and
// package porcupine looks for an order of their operations that the reference allows.
package backingtest

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/effectlock/effectlock/backing"
)

// Run checks the backing that newBacking makes against each promise that can be seen from
// outside. Every case is a subtest with a backing of its own.
//
// newBacking may open all backings on one shared store, even one that other tests are
// using: no two cases share a key. It should close what it opens with t.Cleanup. Keys that
// a case leaves behind have leases of up to an hour.
//
// The cases run in parallel, in real time, and take some seconds: they wait for leases to
// expire, and for a release still to be remembered. Run returns when all have ended, so the
// caller's deferred calls are safe. On a slow machine or with a slow store the kit takes
// longer; it does not fail.
//
// The abilities that [backing.AbilitiesOf] finds are checked. The log of a case says if it
// had nothing to check, because the store lacks the ability or, rightly, queues nobody at
// present. A key that is kept for a claimant that was woken should be kept for the duration
// of a few calls: the kit asks as soon as it is woken. If the machine was so slow that this
// time may have run out, the case is run again, up to three times.
//
// Only a store that is a [backing.Releaser], and so remembers releases, is required to
// refuse late requests; see [RemembersUnanswered] and [RunFaults].
//
// The model plays 100 scripts, or as many as -rapid.checks says.
func Run(t *testing.T, newBacking func(t *testing.T) backing.Backing, opts ...Option) {
	t.Helper()
	k, err := newKit(opts)
	if err != nil {
		t.Fatal(err)
	}
	open := func(t *testing.T) *probe { return newProbe(t, newBacking(t), k) }
	t.Run("contract", func(t *testing.T) {
		k.run(t, k.exercise, open)
		k.checkModel(t, open)
		k.checkHistories(t, open)
	})
}

// run runs each case in a subtest, with a probe of its own.
func (k kit) run(t *testing.T, exercise func(runner), open func(*testing.T) *probe) {
	t.Helper()
	exercise(func(name string, body func(*probe)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k.enter(t, func(t *testing.T) { body(open(t)) })
		})
	})
}

// enter runs body in virtual or real time, as the kit says.
func (k kit) enter(t *testing.T, body func(*testing.T)) {
	t.Helper()
	if k.virtual {
		synctest.Test(t, body)
		return
	}
	body(t)
}

// Option changes how [Run] and [RunFaults] work.
type Option func(*kit)

// TTL sets the lease that the kit lets run out, 300 ms by default. A store with a coarse
// clock needs a longer one: the kit reports a lease that ends more than a tenth too early,
// or more than a third too late.
//
// It is a whole number of milliseconds, from 10 ms to 10 s.
func TTL(d time.Duration) Option { return func(k *kit) { k.ttl = d } }

// Virtual runs every case, including newBacking, in a bubble of testing/synctest, where no
// lease takes real time. It suits a store whose only clock is the time package and which
// waits for nothing outside the process.
func Virtual() Option { return func(k *kit) { k.virtual = true } }

// RemembersUnanswered is for a store that knows which of its answers have reached their
// caller. Such a store remembers a release only while the release may be repeated, and
// refuses a released claim only if a request of the claim has no answer, and so may be
// late. It may also report a resumed grant as new, if it repeated a request whose answer
// was late. Cases that repeat an answered release after the next one, or ask again for a
// released claim, are left out; [RunFaults] loses answers and makes requests late.
func RemembersUnanswered() Option { return func(k *kit) { k.unanswered = true } }

type kit struct {
	unanswered bool
	ttl        time.Duration
	keys       int // how many keys a case uses at once
	virtual    bool
}

func newKit(opts []Option) (kit, error) {
	k := kit{ttl: 300 * time.Millisecond, keys: 10_000}
	for _, o := range opts {
		o(&k)
	}
	if k.ttl < 10*time.Millisecond || k.ttl > 10*time.Second || k.ttl%time.Millisecond != 0 {
		return kit{}, fmt.Errorf("backingtest: TTL is %v; it must be a whole number of milliseconds from 10ms to 10s", k.ttl)
	}
	return k, nil
}

// A runner runs one case, with a fresh backing.
type runner func(name string, body func(*probe))

// in puts a topic in front of the names of its cases.
func (run runner) in(topic string) runner {
	return func(name string, body func(*probe)) { run(topic+": "+name, body) }
}

func (k kit) exercise(run runner) {
	exerciseAcquire(run.in("TryAcquire"))
	exerciseTokens(run.in("tokens"))
	exerciseExpiry(run.in("expiry"))
	exerciseRefresh(run.in("Refresh"))
	exerciseRelease(run.in("Release"))
	exerciseInspection(run.in("IsLocked and GetHolder"))
	exerciseContext(run.in("ended context"))
	exerciseStrings(run.in("keys and holders"))
	exerciseConcurrency(run.in("concurrency"))

	run = run.patiently()
	queue := run.offering("backing.Queue", hasQueue)
	exerciseQueue(queue.in("Queue"))
	exerciseLeaving(queue.in("Queue: a claimant that leaves"))
	exerciseCrowding(queue.in("Queue: concurrency"))

	passer := run.offering("backing.Passer", hasPasser)
	exercisePass(passer.in("Pass"))
	exerciseYield(passer.offering("backing.Queue", hasQueue).in("Pass to yield"))

	exerciseBatch(run.offering("backing.Batcher", hasBatcher).in("RefreshAll"))

	releaser := run.offering("backing.Releaser", hasReleaser)
	exerciseReleaser(releaser.in("ReleaseClaim"))
	if !k.unanswered {
		exerciseLate(releaser.in("late requests"))
	}
	exerciseAbilities(run.in("abilities"))
}
