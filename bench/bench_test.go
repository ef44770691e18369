package main

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

func TestAnOutcomeIsJudged(t *testing.T) {
	t.Parallel()
	w := workload{counted: true}
	p := plan{window: 2 * time.Second}
	said := func(f figures) []answer { return []answer{{Figures: f, Notes: []string{"a note"}}} }

	o := w.judge(said(figures{"acquired": 10, "requests": 30, "late": 5, "handoffs": 6}), commands{50, 90}, p)
	require.NoError(t, o.err)
	assert.InDelta(t, 15, o.figures["requests/s"], 1e-9)
	assert.InDelta(t, 3, o.figures["requests/acquisition"], 1e-9)
	assert.InDelta(t, 5, o.figures["commands/acquisition"], 1e-9)
	assert.InDelta(t, 5, o.figures["requests/handoff"], 1e-9)
	assert.Equal(t, []string{"a note"}, o.notes)

	stuck := w.judge(said(figures{"acquired": 10, "requests": 30, "late": 0}), commands{50, 90}, p)
	assert.ErrorIs(t, stuck.err, errStuck)

	impossible := w.judge([]answer{{Figures: figures{}, Sent: 60_000}, {Sent: 60_000}}, commands{50, 100_000}, p)
	assert.ErrorIs(t, impossible.err, errMiscounted, "more was sent than the server ran")

	overlap := workload{gather: gatherProcesses}.judge([]answer{
		{Figures: figures{}, Sections: []section{{Start: 1, End: 9}}},
		{Figures: figures{}, Sections: []section{{Start: 5, End: 6}}},
	}, commands{}, p)
	assert.ErrorIs(t, overlap.err, errNotExclusive)
}

func TestRoundsAreAsManyAsAskedForOrNeeded(t *testing.T) {
	t.Parallel()
	w := workload{rounds: manyRounds, fewer: map[int]int{100: 2}}
	assert.Equal(t, manyRounds, (&bench{}).roundsOf(w, 1))
	assert.Equal(t, defaultRounds, (&bench{}).roundsOf(workload{}, 1))
	assert.Equal(t, 3, (&bench{rounds: 3}).roundsOf(w, 1))
	assert.Equal(t, 2, (&bench{rounds: 3}).roundsOf(w, 100), "what takes long is not repeated as often")
	assert.Equal(t, 1, (&bench{rounds: 3, quick: true}).roundsOf(w, 1))
}

func TestAWindowThatIsAskedForReplacesTheWorkloads(t *testing.T) {
	t.Parallel()
	p := plan{window: time.Second, cases: []int{2}}
	assert.Equal(t, p, p.lasting(0))
	assert.Equal(t, plan{window: time.Minute, cases: []int{2}}, p.lasting(time.Minute))
}

func TestAPartialPeerIsMeasuredOnlyWhereItIsNamed(t *testing.T) {
	t.Parallel()
	partial := peer{name: replayed, partial: true}
	assert.False(t, contended().measures(partial))
	assert.True(t, alone().measures(partial))
	assert.True(t, contended().measures(peer{name: ours}))
	assert.False(t, scripts().measures(peer{name: "raw-rueidis"}))
}

// measuredOnARealServer measures the workload of a case with one library.
func measuredOnARealServer(t *testing.T, w workload, p peer, kase int) outcome {
	t.Helper()
	b := &bench{machine: &machine{serverCore: noCore, clientCore: noCore}, quick: true}
	return b.measure(t.Context(), w, w.plan(true), p, kase)
}

// It tests the plumbing: each library is set up, started in its processes and its
// answers are read. Nothing is asserted about its speed.
func TestEveryPeerIsMeasuredOnARealServer(t *testing.T) {
	redistest.Start(t) // skips the test if there is no redis-server
	for _, p := range peers {
		if contended().measures(p) {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				o := measuredOnARealServer(t, contended(), p, 2)
				if p.name != ours && errors.Is(o.err, errStuck) {
					return // some do on a busy machine: that is an outcome too
				}
				require.NoError(t, o.err)
				assert.Positive(t, o.figures["acquired"])
				assert.GreaterOrEqual(t, o.figures["requests/acquisition"], 1.0)
			})
		}
		if held().measures(p) {
			t.Run(p.name+" locks under its stored key", func(t *testing.T) {
				t.Parallel()
				o := measuredOnARealServer(t, held(), p, 3)
				require.NoError(t, o.err)
				assert.InDelta(t, 3, o.figures["reached"], 0)
				assert.InDelta(t, 0, o.figures["lost"], 0)
			})
		}
	}
}

func TestWorkloadsOfOneLockAreMeasuredOnARealServer(t *testing.T) {
	redistest.Start(t)
	for _, w := range []workload{aloneUnpinned(), scripts(), footprint()} {
		for _, name := range []string{baseline, ours, replayed} {
			p, ok := peerNamed(name)
			require.True(t, ok)
			if !w.measures(p) {
				continue
			}
			for _, kase := range w.plan(true).cases {
				t.Run(w.label(kase)+", "+name, func(t *testing.T) {
					t.Parallel()
					o := measuredOnARealServer(t, w, p, kase)
					require.NoError(t, o.err)
					assert.Empty(t, o.notes)
					for _, c := range w.columns {
						assert.Contains(t, o.figures, c.figure)
					}
				})
			}
		}
	}
}

func TestInfoIsReadByKey(t *testing.T) {
	t.Parallel()
	info := parseInfo("# Server\r\nprocess_id:4711\r\nexecutable:/usr/bin/redis-server\r\n\r\n# Stats\r\ntotal_commands_processed:12345\r\n" +
		"# Commandstats\r\ncmdstat_client|setinfo:calls=2,usec=3,usec_per_call=1.50,rejected_calls=0,failed_calls=0\r\n")
	assert.Equal(t, map[string]string{
		"process_id":               "4711",
		"executable":               "/usr/bin/redis-server",
		"total_commands_processed": "12345",
		"cmdstat_client|setinfo":   "calls=2,usec=3,usec_per_call=1.50,rejected_calls=0,failed_calls=0",
	}, info)
}
