package torture_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/mutex"
)

// The runs are not parallel: one is load enough, and a machine that stands still for longer
// than a lease is not what they test.

// one is the work of clients that compete for one lock. The lease is short, because a killed
// holder costs the others the rest of it, but long compared with the moments for which a loaded
// machine stops a process.
var one = workload{
	Clients: 4, Keys: 1, Leases: []time.Duration{2 * time.Second}, Pause: 4 * time.Millisecond,
	Modes: [modes]int{withLock: 4, inScope: 1},
}

func TestEightProcessesCountWithoutLosingAnIncrement(t *testing.T) {
	kills := map[string]int{killing: 1}
	for _, run := range []run{
		{
			name: "while processes are killed", work: one, faults: kills, every: time.Second, straight: true,
			enough: func(_ *round, f figures) bool { return f.killedInside >= 2 },
			check: func(t *testing.T, _ *round, h *history, f figures) {
				t.Helper()
				failed := f.outcomes[lost] + f.outcomes[unanswered]
				assert.LessOrEqual(t, failed, f.outcomes[done]/100, "attempts failed, though only the killed were disturbed")
				assert.Greater(t, f.handovers, f.outcomes[done]/20, "the lock rarely went to another process")
			},
		},
		{
			name: "without push", work: one, faults: kills, every: time.Second, straight: true, poll: true,
			enough: func(_ *round, f figures) bool { return f.killedInside >= 1 },
		},
		{
			name: "though one notification in three is lost", work: one, faults: kills, every: 4 * time.Second, loses: 3,
			enough: func(r *round, f figures) bool { return r.counts()[killing] > 0 && f.outcomes[done] >= 100 },
			check: func(t *testing.T, r *round, h *history, f figures) {
				t.Helper()
				assert.NotZero(t, r.lost.n, "nothing was lost")
			},
		},
		{
			name: "through a bad network", work: one, every: 70 * time.Millisecond,
			faults: map[string]int{killing: 1, "reset": 10, "cut briefly": 10, "replies dropped": 30},
			enough: func(r *round, f figures) bool {
				return r.counts()[killing] > 0 && f.gaps > 10 && f.outcomes[done] >= 200
			},
		},
	} {
		run.processes, run.share, run.least = 8, 0.06, 5*time.Second
		t.Run(run.name, run.assertSound)
	}
}

// The failovers are in good order: no write is lost, and the old primary lives on as the
// replica of the new one, with its subscribers, which receive by replication what is
// published on the new one. There are enough waiters for some to be in each phase of
// waiting when the lock's store moves.
func TestEightProcessesCountThroughFailovers(t *testing.T) {
	work := one
	work.Leases = []time.Duration{10 * time.Second} // longer than any failover, during which nothing can be refreshed
	work.Stays = []stay{{Percent: 3, Most: 300 * time.Millisecond}}
	failovers := 2
	if set := os.Getenv(failoversVariable); set != "" {
		var err error
		failovers, err = strconv.Atoi(set)
		require.NoError(t, err, failoversVariable)
	}
	for name, store := range map[string]string{
		"of a primary whose address moves": "pair", "of a shard": "shard", "by Sentinels": "sentinels",
	} {
		t.Run(name, run{
			name: name, processes: 8, work: work, store: store, faults: map[string]int{"failed over": 1}, every: time.Second,
			least:  time.Second,
			enough: func(r *round, f figures) bool { return r.counts()["failed over"] >= failovers },
			check: func(t *testing.T, _ *round, h *history, f figures) {
				t.Helper()
				assert.Empty(t, f.lost, "a failover that loses no data must lose no lease")
				assert.Zero(t, f.outcomes[unanswered], "attempts failed, though the store was soon back")
				assert.Less(t, f.longestWait, h.longest, "a waiter was served only after a lease had ended")
			},
		}.assertSound)
	}
}

// many is the work of clients that share a few locks, some of which are kept for about a lease.
var many = workload{
	Clients: 4, Keys: 16, Lingers: 1, Kept: 4, Pause: 3 * time.Millisecond, PerWrite: 2,
	Leases: []time.Duration{500 * time.Millisecond, 625 * time.Millisecond, 750 * time.Millisecond},
	Modes:  [modes]int{withLock: 8, withLockInTime: 2, ifAvailable: 9, inScope: 1, tryInScope: 1},
	Stays:  []stay{{Percent: 1, Leases: 2}, {Percent: 10, Most: 15 * time.Millisecond}},
}

// allFaults are the faults that are possible with a single server.
var allFaults = map[string]int{
	killing: 2, "stopped briefly": 1, "stopped": 3, "cut": 2, "cut briefly": 1, "replies cut": 1, "reset": 1, "replies dropped": 2, "all replies dropped": 1, "delayed": 1,
	"notifications dropped": 1, "data cut": 1, "all cut": 1, "frozen": 1, "scripts flushed": 1,
	"connections killed": 1, "subscriptions killed": 1,
}

func TestTheLockHoldsWhileProcessesAndNetworksAndTheServerFail(t *testing.T) {
	run{
		name: "histories", processes: 8, work: many, args: trailed, faults: allFaults, every: 400 * time.Millisecond, share: 0.14, least: 8 * time.Second,
		enough: func(_ *round, f figures) bool {
			return min(f.overran, f.outlasted, f.outcomes[lost]) >= 3 && min(f.killedInside, f.stale) >= 1
		},
		check: func(t *testing.T, _ *round, h *history, f figures) {
			t.Helper()
			assert.LessOrEqual(t, f.unprovoked, 2, "leases are lost for no reason")
		},
	}.assertSound(t)
}

// After the server has lost all data, a lock that was held is free, and the next holder
// may come at once. So two may be inside, of which the first loses its lock at its next
// refresh or its release. But a holder that does not lose the lock had it to itself, tokens
// still rise, and the register refuses the holder that is late.
func TestTokensRiseAndSuccessMeansExclusionWhileTheServerLosesItsData(t *testing.T) {
	work := many
	work.Clients, work.Lingers, work.Keys, work.Kept = 6, 2, 8, 2
	run{
		name: "data loss", processes: 3, work: work, faults: map[string]int{flushing: 1}, every: 500 * time.Millisecond, share: 0.05, least: 4 * time.Second,
		enough: func(_ *round, f figures) bool { return min(f.outcomes[lost], f.stale) >= 1 },
	}.assertSound(t)
}

// TestWorkIsOverBeforeAnotherCanHaveTheLock has faults that end leases, on a server that
// records when each ends.
func TestWorkIsOverBeforeAnotherCanHaveTheLock(t *testing.T) {
	work := many
	work.Clients, work.Lingers, work.Keys, work.Kept, work.Refresh = 6, 4, 24, 18, true
	work.Leases = []time.Duration{300 * time.Millisecond, 500 * time.Millisecond, time.Second}
	run{
		name: "timing", processes: 6, work: work, args: trailed, every: 100 * time.Millisecond, share: 0.1, least: 8 * time.Second,
		faults: map[string]int{"cut": 2, "replies cut": 2, "late, then cut": 2, "frozen": 1, "stopped": 1, "busy": 2},
		enough: func(_ *round, f figures) bool { return f.lost[mutex.Expired] >= 20 },
	}.assertSound(t)
}

// This run takes most of the time.
func TestSoakEightProcessesShareAThousandLocksWhileEverythingBreaks(t *testing.T) {
	faults := map[string]int{"restarted": 1, deleting: 3}
	for name, weight := range allFaults {
		if name != "data cut" && name != "all cut" {
			faults[name] = weight
		}
	}
	run{
		name: "soak", processes: 8, elders: 2, // their memory is watched
		work: workload{
			Clients: 12, Keys: 1000, Lingers: 1, Kept: 100, Pause: 8 * time.Millisecond, PerWrite: 3,
			Leases: []time.Duration{time.Second, 2 * time.Second, 3 * time.Second},
			Modes:  [modes]int{withLock: 9, withLockInTime: 2, ifAvailable: 3, inScope: 4, tryInScope: 2},
			Stays:  []stay{{Percent: 1, Leases: 0.5}, {Percent: 9, Most: 40 * time.Millisecond}},
		},
		// The server must still know its grants after a restart: that it may not is another
		// hazard than those of this run.
		args:   []string{"--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"},
		faults: faults, every: time.Second, share: 0.4, least: 12 * time.Second, calm: recovery + 3*time.Second + 4*time.Second,
		patient: true, leaks: true,
		check: func(t *testing.T, r *round, h *history, _ figures) {
			t.Helper()
			all := h.checkHandovers()
			t.Logf("after the last fault %d handovers from process to process: %v, %v, %v (median, 99 %%, longest)",
				len(all), percentile(all, 50), percentile(all, 99), percentile(all, 100))
			r.checkMemory()
		},
	}.assertSound(t)
}

func TestTheLockIsHandedRoundFairlyAndAtTheSamePriceWhateverTheCrowd(t *testing.T) {
	few := 0.0 // requests per turn with 8 processes
	for _, c := range []struct {
		processes, clients int
		price              float64 // the most requests per turn
	}{{8, 1, 0}, {64, 1, 3.3}, {8, 100, 1.3}} { // to queue, to be granted the lock when woken, to release
		name := fmt.Sprintf("%d processes with %d waiters each", c.processes, c.clients)
		t.Run(name, run{
			name: name, processes: c.processes, straight: true, share: 0.04, least: 5 * time.Second,
			work: workload{
				Clients: c.clients, Keys: 1, Leases: []time.Duration{30 * time.Second}, Modes: [modes]int{withLock: 1}, Bare: true,
				Stays: []stay{{Percent: 100, Most: time.Millisecond}},
			},
			check: func(t *testing.T, _ *round, h *history, f figures) {
				t.Helper()
				s := h.shares(f.window)
				price := float64(f.requests) / float64(s.turns)
				t.Logf("%d turns, %.2f requests each, fairness over processes %.3f, over clients %.3f, longest wait %v at a share of %v",
					s.turns, price, s.processes, s.clients, s.longest, s.share)
				if c.price == 0 {
					few = price
					return
				}
				assert.GreaterOrEqual(t, s.processes, 0.95)
				assert.GreaterOrEqual(t, s.clients, 0.95)
				assert.LessOrEqual(t, s.longest, 3*s.share)
				assert.LessOrEqual(t, price, c.price)
				assert.LessOrEqual(t, price, few*1.1, "the price grows with the crowd")
			},
		}.assertSound)
	}
}

// A lost notification costs the time until the waiter asks on its own, every 1.5 s; the
// lock is reserved for longer.
func TestTheLockIsNeverIdleForLongThoughNotificationsAreLost(t *testing.T) {
	work := one
	run{
		name: "lost notifications", processes: 8, work: work, loses: 3, share: 0.03, least: 6 * time.Second,
		check: func(t *testing.T, r *round, _ *history, f figures) {
			t.Helper()
			assert.NotZero(t, r.lost.n, "nothing was lost")
			assert.LessOrEqual(t, f.idle, 2500*time.Millisecond)
		},
	}.assertSound(t)
}

// A test of exclusion that cannot fail asserts nothing. The runs are those of the real lock, but
// shorter.
func TestALockThatIsBrokenIsFoundOut(t *testing.T) {
	budget(t) // so that the whole test is skipped, not only its parts
	work := one
	work.Leases = []time.Duration{200 * time.Millisecond}
	for flaw, want := range map[string][]string{
		"the lock is granted to everybody":        {"no order", "updates were lost"},
		"the lease ends before its holder thinks": {"no order", "updates were lost"},
		"a release frees the lock whoever has it": {"no order", "updates were lost"},
		"a release frees nothing":                 {"a lock was released and is held"},
		"tokens do not rise":                      {"no order"},
		"waiters are forgotten":                   {"a waiter starves"},
	} {
		t.Run(flaw, func(t *testing.T) {
			length := time.Second
			if flaw == "waiters are forgotten" {
				length = 4 * time.Second
			}
			_, h := run{name: flaw, processes: 3, work: work, least: length, flaw: flaw, straight: true}.play(t)
			t.Log(h.rules())
			for _, rule := range want {
				assert.NotZero(t, h.rules()[rule], "not found: %s", rule)
			}
		})
	}
}
