package soak_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/mutex"
)

const (
	lengthVariable = "EFFECTLOCK_SOAK"
	seedVariable   = "EFFECTLOCK_SOAK_SEED"

	// patience is for what happens at once unless the run has failed.
	patience = 20 * time.Second

	// calm is how long the run goes on when all is healed: at first to recover.
	calm = recovery + longest + 4*time.Second

	// still is how long a subscription is kept that nobody uses, and what a loaded
	// machine may add to that.
	still = 13 * time.Second
)

// length is how long the run takes.
func length(t *testing.T) time.Duration {
	t.Helper()
	s := os.Getenv(lengthVariable)
	if s == "" {
		return 52 * time.Second
	}
	d, err := time.ParseDuration(s)
	require.NoError(t, err, "%s=%s", lengthVariable, s)
	require.GreaterOrEqual(t, d, 40*time.Second, "%s=%s", lengthVariable, s)
	return d
}

func seed(t *testing.T) uint64 {
	t.Helper()
	s := os.Getenv(seedVariable)
	if s == "" {
		return rand.Uint64()
	}
	n, err := strconv.ParseUint(s, 10, 64)
	require.NoError(t, err, "%s=%s", seedVariable, s)
	return n
}

func TestSoakEightProcessesShareAThousandLocksWhileEverythingBreaks(t *testing.T) {
	began, length, seed := time.Now(), length(t), seed(t)
	t.Logf("%s=%d", seedVariable, seed)
	c := newChaos(t, seed)
	t.Cleanup(func() {
		if t.Failed() {
			for _, f := range c.faults {
				t.Log(f)
			}
		}
	})

	pulse := feelPulse(c.server.Addr())
	t.Cleanup(func() { pulse.end() })
	c.pass(length-time.Since(began)-calm-still-2*time.Second, true)
	c.healAll()
	healed := clock()
	c.pass(calm, false)

	finished := clock()
	c.tell(finish, "quiet")
	served, slow := clock().since(finished), pulse.end()
	c.checkFree()
	time.Sleep(still)
	c.checkConnections()
	c.checkKeys()
	c.tell(end, "ended")
	c.checkNothingRuns()

	h := newHistory(c.faults)
	h.healed, h.finished, h.slow = healed, finished, slow
	h.readCounters(t, c.orders.Data)
	for _, p := range c.all {
		h.read(t, p)
	}
	t.Logf("%d processes in %v, all served %v after the end", len(c.all), time.Since(began).Round(time.Second), served)
	c.report()
	h.judge(t)
	c.checkMemory()
}

// tell gives all processes a command and waits until they say that it is done.
func (c *chaos) tell(command, event string) {
	c.t.Helper()
	for _, p := range c.now {
		p.tell(command)
	}
	for _, p := range c.now {
		c.await(p, event)
	}
}

// checkNothingRuns sees that the processes ended well, and had nothing to complain
// about, nor those that were killed.
func (c *chaos) checkNothingRuns() {
	c.t.Helper()
	for _, p := range c.now {
		<-p.over
		assert.NoError(c.t, p.err, "process %s", p.name)
	}
	for _, p := range c.all {
		assert.Empty(c.t, p.erred.String(), "process %s", p.name) // such as a data race
		for _, w := range p.said("wrong") {
			assert.Fail(c.t, "process "+p.name, "%s", w.What)
		}
	}
	c.eventually(func() bool { return c.connections("normal") == c.own() }, "no connection is left")
}

// report tells what was done and what was broken.
func (c *chaos) report() {
	c.t.Helper()
	events, faults, most := map[mutex.EventKind]int64{}, map[string]int{}, 0
	for _, p := range c.all {
		for kind, n := range p.last().Events {
			events[kind] += n
		}
		for _, w := range p.said("sample") {
			most = max(most, w.Goroutines)
		}
	}
	for _, f := range c.faults {
		faults[f.Kind]++
	}
	c.t.Logf("%d operations; %v", c.operations(), events)
	c.t.Logf("%d faults: %v", len(c.faults), faults)
	c.t.Logf("at most %d goroutines in a process", most)
}

// operations is how many attempts at a lock there were.
func (c *chaos) operations() (n int64) {
	for _, p := range c.all {
		n += p.last().Operations
	}
	return n
}

// judge looks for what cannot be, if the lock is one.
func (h *history) judge(t *testing.T) {
	t.Helper()
	h.checkExclusion()
	h.checkTokens()
	h.checkLosses()
	h.checkFailures()
	h.checkDeadlines()
	t.Logf("%d increments in %v", h.checkCounters(), h.outcomes())
	i := h.checkIdleness()
	t.Logf("longest wait %v, %v after the last fault", i.waited, i.waitedCalm)
	t.Logf("longest free though wanted %v: %s at %.3f", i.length, lockOf(i.longest.key), sec(i.longest.from))
	t.Logf("after the last fault %d handovers from process to process: %v, %v, %v (median, 99 %%, longest), %d over %v",
		len(i.handovers), i.at(50), i.at(99), i.at(100), i.tardy, h.prompt())
	t.Logf("the server was slow, with or without a fault, for %v, at most %v after the last fault", h.slow.length(), h.slowest())
	h.report(t)
}
