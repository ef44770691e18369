// Package backingtest checks that a store keeps the contract of package backing.
//
// One line adopts it:
//
//	func TestContract(t *testing.T) {
//		backingtest.Run(t, func(t *testing.T) backing.Backing { return mystore.New() })
//	}
//
// A failure quotes the sentence of the contract that broke, says what the
// store answered, and lists the calls that led there.
//
// Beside cases that are written by hand, the kit has a model: a reference that says for each operation
// what a store may answer. Random scripts of all operations that the store offers are played one
// operation after the other, and the answers compared; of a script that fails, package rapid looks for the
// shortest one, and prints the seed. Then several goroutines ask at once, and package porcupine looks
// for an order of what they asked that the reference allows.
//
// What a lost answer, a dead connection or a restart would show, [RunFaults] checks,
// with whatever means the test has to bring them about:
//
//	func TestContractUnderFaults(t *testing.T) {
//		backingtest.RunFaults(t, func(t *testing.T) (backing.Backing, backingtest.Faults) {
//			server := startServer(t)
//			return mystore.New(server.Addr()), backingtest.Faults{Wipe: server.Wipe, Restart: server.Restart}
//		})
//	}
package backingtest

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/effectlock/effectlock/backing"
)

// Run checks the backing that newBacking makes against each promise that can be
// seen from outside, every case in a subtest and with a backing of its own.
//
// newBacking may open them all on one shared store, even one that other tests
// use at the same moment: no two cases share a key. What it opens it should
// close with t.Cleanup. Keys that a case leaves behind have leases of up to an
// hour.
//
// The cases run in parallel with each other, in real time, and wait for leases
// to run out, and to see that a release is remembered: some seconds in all. Run returns when all have ended, so that
// what the caller defers is safe. A slow machine or a slow store makes
// the kit slower; it does not make it fail.
//
// The abilities that [backing.AbilitiesOf] finds are checked. The log of a case says if
// it had nothing to check: an ability is not offered, or the store queues nobody at
// present and rightly says so. The time for which a key is kept for a claimant that was
// woken may be shorter than was asked for, but should outlast a few calls: the kit asks
// as soon as it is woken. Where that time may have run out because the machine was slow, a
// case is run again, up to three times.
//
// That late requests are refused is demanded of a store that is a [backing.Releaser],
// which shows that it remembers releases; see [RemembersUnanswered]. Of others it is not: see
// [RunFaults].
//
// The model plays 100 scripts, or as many as -rapid.checks says, on keys of their own. In real time they
// share the store that one call of newBacking made, and wait for leases six times in all. When
// exactly a lease ends, only the store knows: of a lease that may have ended and may not, both are right. In
// histories of operations at once no lease ends, unless a machine is slower than a store keeps the
// key for a claimant that was woken; then both are right as well. A claimant asks for the same lease
// as long as it waits, and makes one request at a time that may give it the key.
//
// Run does not check what only a restart or a lost connection would show, which
// [RunFaults] does, nor a clock that is off.
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

// run runs cases, each in a subtest and with a probe of its own.
func (k kit) run(t *testing.T, exercise func(runner), open func(*testing.T) *probe) {
	t.Helper()
	exercise(func(name string, body func(*probe)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k.enter(t, func(t *testing.T) { body(open(t)) })
		})
	})
}

// enter runs body where the time is that of the kit.
func (k kit) enter(t *testing.T, body func(*testing.T)) {
	t.Helper()
	if k.virtual {
		synctest.Test(t, body)
		return
	}
	body(t)
}

// An Option changes how [Run] and [RunFaults] work.
type Option func(*kit)

// TTL sets the lease that the kit lets run out, 300 ms by default. A store
// with a coarse clock needs a longer one: the kit takes a lease for broken that
// ends more than a tenth too early, or more than a third too late.
//
// It is a whole number of milliseconds, from 10 ms to 10 s.
func TTL(d time.Duration) Option { return func(k *kit) { k.ttl = d } }

// Virtual runs every case, newBacking included, in a bubble of testing/synctest,
// where no lease takes real time. It suits a backing whose only clock is the
// time package and which waits for nothing outside the process.
func Virtual() Option { return func(k *kit) { k.virtual = true } }

// RemembersUnanswered is for a store that knows which of its answers have reached their
// caller. It remembers a release only while that may be repeated, and refuses a
// released claim only if a request of the claim has no answer, and so may be late. What the
// kit repeats has been answered: cases in which that is repeated after the next release, or in
// which a released claim asks again, are left out. [RunFaults] loses answers and makes
// requests late. And a store that repeats a request whose answer is late may call a grant
// new that is resumed.
func RemembersUnanswered() Option { return func(k *kit) { k.unanswered = true } }

type kit struct {
	unanswered bool
	ttl        time.Duration
	keys       int // how many at once
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

// in puts a topic before the names of its cases.
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
