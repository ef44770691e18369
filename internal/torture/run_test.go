package torture_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	lengthVariable    = "EFFECTLOCK_TORTURE"
	seedVariable      = "EFFECTLOCK_TORTURE_SEED"
	failoversVariable = "EFFECTLOCK_FAILOVERS"

	// still is how long an unused subscription is kept, plus what a loaded machine may
	// add.
	still = 13 * time.Second
)

// run is a row of a table.
type run struct {
	name      string
	processes int
	elders    int // how many of the first are never killed
	work      workload
	store     string                         // "": a server; else "pair", "shard" or "sentinels"
	args      []string                       // of the server
	straight  bool                           // no proxies between
	flaw      string                         // of the lock, if any
	poll      bool                           // without push
	patient   bool                           // half of the clients retry by themselves
	loses     int                            // one notification in so many; 0: none
	faults    map[string]int                 // the weights of the cards
	every     time.Duration                  // the mean time between faults
	share     float64                        // its share of the time for all runs
	least     time.Duration                  // its least time
	calm      time.Duration                  // the time after the last fault
	leaks     bool                           // look for growth and leftovers, and not at refusals
	enough    func(r *round, f figures) bool // whether enough has happened
	check     func(t *testing.T, r *round, h *history, f figures)
}

// budget returns the time for all runs.
func budget(t *testing.T) time.Duration {
	t.Helper()
	set := os.Getenv(lengthVariable)
	if set == "" {
		t.Skipf("needs %s: run `make torture`", lengthVariable)
	}
	d, err := time.ParseDuration(set)
	require.NoError(t, err, "%s=%s", lengthVariable, set)
	return d
}

// play plays a run, and returns what is known about it. A run that does not finish has failed,
// but still has a history, which may show why.
func (run run) play(t *testing.T) (*round, *history) {
	t.Helper()
	length := max(run.least, time.Duration(run.share*float64(budget(t))))
	began, r := time.Now(), newRound(t, run)
	window := span{From: now()}
	before := r.requests()
	for r.pass(length, true); run.enough != nil && !run.enough(r, r.history().figures()); r.pass(time.Second, true) {
		if time.Since(began) > 2*length+2*time.Minute {
			t.Errorf("the run did not finish: %v", r.history().figures())
			break
		}
	}
	window.Until = now()
	r.heal(func(cure) bool { return true }) // first of all: a frozen server counts nothing
	sent := r.requests() - before
	healed := now()
	r.pass(run.calm, false)
	finished := now()
	for _, p := range r.now {
		p.Finish()
	}
	for _, p := range r.now {
		p.Await("the end of its work", patience, isEvent("quiet"))
	}
	if r.pulse != nil {
		r.pulse.end()
	}
	if run.flaw == "" {
		r.checkLeft()
	}
	for _, p := range r.now {
		p.Dismiss() // all at once: each takes a second to look for leftovers
	}
	for _, p := range r.now {
		p.End()
	}
	for i, p := range r.all {
		for _, w := range p.Said() {
			if w.Event == "wrong" && run.flaw == "" {
				t.Errorf("process p%d: %s", i+1, w.What)
			}
		}
	}
	h := r.history()
	h.healed, h.finished = healed, finished
	if run.calm == 0 {
		h.healed = 0
	}
	r.readServers(h)
	h.judge()
	f := h.figures()
	f.window, f.requests = window, sent
	t.Logf("%d processes in %.1f s: %v", len(r.all), time.Since(began).Seconds(), f)
	t.Logf("%d faults: %v", len(r.faults), r.counts())
	if run.check != nil {
		run.check(t, r, h, f)
	}
	return r, h
}

// readServers reads what the locks guarded, and when the leases ended by their server's account.
// The last write to each register shows which of the unanswered writes were applied.
func (r *round) readServers(h *history) {
	r.t.Helper()
	ctx, data := r.t.Context(), newRegister(r.store.Addr())
	defer data.client.Close()
	keys, _ := h.byKey()
	for i, key := range keys {
		if r.run.work.Bare {
			break
		}
		var err error
		h.counters[key], err = data.count(ctx, key)
		require.NoError(r.t, err)
		w := write{Process: "test", Key: key, Version: version{Token: highest, Value: -1 - i}, Called: now()}
		w.Accepted, w.Before, err = data.write(ctx, key, w.Version)
		require.NoError(r.t, err)
		w.Returned = now()
		h.Writes = append(h.Writes, w)
	}
	if r.run.trail() {
		wall, mono := time.Now(), now()
		sinceEpoch := func(at time.Time) instant { return mono.add(at.Round(0).Sub(wall.Round(0))) }
		h.tokens = func(token uint64) instant { return sinceEpoch(time.UnixMicro(int64(token))) } //nolint:gosec // until the year 2286
		require.NoError(r.t, h.readTrail(ctx, r.direct, sinceEpoch))
		byTheClock, sinceStart := wall.Round(0).Sub(r.began.Round(0)), wall.Sub(r.began)
		require.InDelta(r.t, sinceStart, byTheClock, float64(2*time.Millisecond), "the clock of this machine was set, so this run proves nothing")
	}
}

// trail reports whether the server keeps a trail.
func (run run) trail() bool { return len(run.args) > 0 && &run.args[0] == &trailed[0] }

// assertSound asserts that the lock kept its promises.
func (run run) assertSound(t *testing.T) {
	t.Helper()
	_, h := run.play(t)
	h.report(t)
	assert.NotZero(t, h.ordered)
}
