package torture_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/proc"
	"github.com/effectlock/effectlock/internal/redistest"
)

// patience is the limit for events that come at once on a loaded machine unless the run fails.
const patience = time.Minute

// round is a run in progress: its processes, and what is broken.
type round struct {
	t        *testing.T
	run      run
	seed     uint64
	random   *rand.Rand
	server   *redistest.Server // of the locks; nil if they have several
	direct   *goredis.Client   // of server
	locks    target
	failOver func()
	folder   string
	store    *redistest.Server // of the registers
	proxies  []*redistest.Proxy
	data     []*redistest.Proxy
	now      []*proc.Process[word]
	all      []*proc.Process[word]
	names    []string // of the processes in now
	began    time.Time
	pulse    *pulse
	memory   []int64 // of the server, each second that it answers
	deck     deck
	faults   []fault
	cures    []cure
	lost     *losses
	readings []*reading
	records  records
}

// cure ends a fault.
type cure struct {
	due   time.Time
	place int
	do    func()
}

// newRound starts the servers and the processes.
func newRound(t *testing.T, run run) *round {
	t.Helper()
	seed := seed(t)
	r := &round{t: t, began: time.Now(), run: run, seed: seed, random: rand.New(rand.NewPCG(seed, 0)), folder: t.TempDir(), deck: deck{weights: run.faults}}
	r.store = redistest.Start(t)
	switch run.store {
	case "pair":
		pair := redistest.StartPair(t)
		r.locks.Addr, r.failOver = pair.Addr(), pair.Failover
	case "shard":
		shard := redistest.StartShard(t)
		r.locks.Cluster, r.failOver = shard.Addrs(), shard.Failover
	case "sentinels":
		group := redistest.StartSentinels(t)
		r.locks.Sentinels, r.failOver = group.Addrs(), group.HandOver
	default:
		r.server = redistest.Start(t, run.args...)
		r.direct, r.locks.Addr = r.server.Client(t), r.server.Addr()
		if !run.work.Bare { // Bare runs count requests
			r.pulse = feelPulse(t, r.server.Addr())
		}
	}
	r.records.stalls = map[string][]span{}
	r.lost = &losses{random: rand.New(rand.NewPCG(seed, 1)), oneIn: run.loses}
	r.now, r.names = make([]*proc.Process[word], run.processes), make([]string, run.processes)
	for place := range run.processes {
		if r.server != nil {
			r.proxies = append(r.proxies, redistest.NewProxy(t, r.server.Addr()))
			r.data = append(r.data, redistest.NewProxy(t, r.store.Addr()))
			r.mend(place)
		}
		r.start(place)
	}
	for _, p := range r.now {
		p.Await("its first lock", patience, isEvent("served"))
	}
	return r
}

// start starts a process in a place.
func (r *round) start(place int) {
	r.t.Helper()
	number := len(r.all) + 1
	o := orders{
		Process: fmt.Sprintf("p%d", number), Number: number, Place: place, Seed: r.seed, Locks: r.locks, Data: r.store.Addr(),
		Work: r.run.work, Flaw: r.run.flaw, Poll: r.run.poll, Leaks: r.run.leaks, Patient: r.run.patient && place%2 == 0,
	}
	o.Journal = filepath.Join(r.folder, o.Process)
	if r.server != nil && !r.run.straight {
		o.Locks.Addr, o.Data = r.proxies[place].Addr(), r.data[place].Addr()
	}
	file, err := os.Create(o.Journal)
	require.NoError(r.t, err)
	r.t.Cleanup(func() { _ = file.Close() })
	r.readings = append(r.readings, &reading{process: o.Process, file: file, at: map[int]int{}, writes: map[int]int{}})
	r.now[place], r.names[place] = proc.Start[word](r.t, "client", o), o.Process
	r.all = append(r.all, r.now[place])
}

// launch starts a process and waits until it runs.
func (r *round) launch(place int) {
	r.t.Helper()
	r.start(place)
	r.now[place].Await("its start", patience, isEvent("ready"))
}

func isEvent(event string) func(word) bool { return func(w word) bool { return w.Event == event } }

// pass lets time pass in which faults end, and also begin if mayBreak is set.
func (r *round) pass(d time.Duration, mayBreak bool) {
	r.t.Helper()
	second, next := time.Now(), time.Now()
	for over := time.Now().Add(d); time.Now().Before(over); time.Sleep(5 * time.Millisecond) {
		now := time.Now()
		r.heal(func(c cure) bool { return !now.Before(c.due) })
		if mayBreak && r.run.every > 0 && !now.Before(next) {
			r.breakSomething()
			next = time.Now().Add(r.run.every/2 + r.upTo(r.run.every))
		}
		if !now.Before(second) {
			second = second.Add(time.Second)
			r.look()
		}
	}
}

// look checks the processes and the server.
func (r *round) look() {
	r.t.Helper()
	for place := range r.now {
		r.isAlive(place)
	}
	if !r.run.leaks || r.isSick(everywhere) {
		return
	}
	info, err := r.direct.InfoMap(context.Background(), "memory").Result()
	require.NoError(r.t, err)
	used, err := strconv.ParseInt(info["Memory"]["used_memory"], 10, 64)
	require.NoError(r.t, err)
	r.memory = append(r.memory, used)
}

func (r *round) isAlive(place int) {
	r.t.Helper()
	if r.now[place].Ended() {
		r.now[place].End() // which shows why
		r.t.Fatalf("process %s ended on its own", r.names[place])
	}
}

// heal ends the faults that are due.
func (r *round) heal(due func(cure) bool) {
	for i := 0; i < len(r.cures); i++ {
		if c := r.cures[i]; due(c) {
			r.cures = slices.Delete(r.cures, i, i+1)
			i--
			c.do()
		}
	}
}

func (r *round) isSick(place int) bool {
	return slices.ContainsFunc(r.cures, func(c cure) bool { return c.place == place })
}

// begin starts a fault of length d. It is recorded from before it begins until after it has
// ended.
func (r *round) begin(kind string, place int, d time.Duration, start, end func()) {
	at := len(r.faults)
	f := fault{Kind: kind, Place: place, span: span{now(), 1 << 62}}
	if place != everywhere {
		f.Process = r.names[place]
	}
	r.faults = append(r.faults, f)
	start()
	c := cure{time.Now().Add(d), place, func() {
		end()
		r.faults[at].Until = now()
	}}
	if d == 0 {
		c.do()
		return
	}
	r.cures = append(r.cures, c)
}

// counts returns how many faults of each kind there were.
func (r *round) counts() map[string]int {
	counted := map[string]int{}
	for _, f := range r.faults {
		counted[f.Kind]++
	}
	return counted
}

// history reads what the processes have written.
func (r *round) history() *history {
	r.t.Helper()
	h := newHistory(slices.Clone(r.faults))
	h.Run, h.Seed, h.refusals, h.fair = r.run.name, r.seed, !r.run.leaks, !r.run.poll
	h.longest, h.clients, h.finished = r.run.work.longest(), r.run.processes*r.run.work.Clients, now()
	for _, reading := range r.readings {
		require.NoError(r.t, reading.goOn(&r.records))
	}
	h.records = r.records
	for process, stalls := range r.records.stalls {
		h.stood[process] = append(spans(nil), stalls...)
	}
	if r.pulse != nil {
		h.slow = r.pulse.slow()
	}
	return h
}

// seed returns the seed of the run, which EFFECTLOCK_TORTURE_SEED sets. The same seed repeats the
// faults, though not their timing.
func seed(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if set := os.Getenv(seedVariable); set != "" {
		var err error
		seed, err = strconv.ParseUint(set, 10, 64)
		require.NoError(t, err, seedVariable)
	}
	t.Logf("%s=%d", seedVariable, seed)
	return seed
}
