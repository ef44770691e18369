package torture_test

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
)

// What the server has of the locks, as patterns; in one that is no Cluster, all locks
// have one fence.
const (
	lockPrefix = "dmutex:torture-"
	queues     = "dmutex:{dmutex:torture-*}~queue"
	released   = "dmutex:{dmutex:torture-*}~released:*"
	fence      = "dmutex:{3560}~fence"
)

// checkLeft sees that nothing is left on the server when all have come to an end.
func (r *round) checkLeft() {
	r.t.Helper()
	if r.server == nil {
		return
	}
	r.checkFree()
	if r.run.leaks {
		time.Sleep(still)
		r.checkConnections()
	}
	r.checkKeys()
}

// checkFree sees that nobody has a lock, and none that lives waits for one. A waiter that was
// killed stays in a queue until somebody asks, and then for a minute at most. What was reserved
// for such a waiter is held for 2 s at most, and the lease of one that was killed for its time.
func (r *round) checkFree() {
	r.t.Helper()
	limit := r.run.work.longest() + 2*askAgain
	if r.counts()[killing] == 0 && r.run.every == 0 {
		limit = 0
	}
	r.eventually(limit, "no lock is held", func() bool { return len(r.keys(lockPrefix+"*")) == 0 })
	ctx := context.Background()
	living, err := r.direct.PubSubChannels(ctx, "push:*").Result()
	require.NoError(r.t, err)
	for _, queue := range r.keys(queues) {
		members, err := r.direct.ZRange(ctx, queue, 0, -1).Result()
		require.NoError(r.t, err)
		for _, channel := range living {
			assert.NotContains(r.t, strings.Join(members, "\n"), " "+channel+" ", "%s", queue)
		}
	}
}

// checkKeys sees that nothing is left but what is meant to be: the last token for ever,
// the memory of a release for 6 s, and the queue of the dead and of requests that
// were never answered for a minute.
func (r *round) checkKeys() {
	r.t.Helper()
	left := map[string]int{}
	for _, key := range r.keys("*") {
		ttl, err := r.direct.PTTL(context.Background(), key).Result()
		require.NoError(r.t, err)
		kind, most := "", time.Duration(0)
		for of, limit := range map[string]time.Duration{queues: time.Minute, released: backing.ReleaseMemory} {
			if matched, err := path.Match(of, key); err == nil && matched {
				kind, most = of, limit
			}
		}
		left[cmp.Or(kind, key)]++
		switch {
		case key == fence:
			assert.Equal(r.t, time.Duration(-1), ttl, "%s must stay for ever", key)
		case kind == "":
			assert.Fail(r.t, "is left", "%s, for %v", key, ttl)
		default: // -2 if it has expired since it was listed
			assert.NotEqual(r.t, time.Duration(-1), ttl, "%s stays for ever", key)
			assert.LessOrEqual(r.t, ttl, most, "%s", key)
		}
	}
	assert.Equal(r.t, 1, left[fence], "one key has the last token")
	r.t.Logf("keys left: %v", left)
}

// keys are the server's keys that match.
func (r *round) keys(pattern string) (all []string) {
	r.t.Helper()
	ctx := context.Background()
	for cursor := uint64(0); ; {
		some, next, err := r.direct.Scan(ctx, cursor, pattern, 1000).Result()
		require.NoError(r.t, err)
		all = append(all, some...)
		if cursor = next; cursor == 0 {
			slices.Sort(all)
			return slices.Compact(all)
		}
	}
}

// checkConnections sees that the server has no more connections than the clients
// know of, and no subscription any more. Nobody has waited for some time.
func (r *round) checkConnections() {
	r.t.Helper()
	known := 0
	for _, p := range r.now {
		said := p.Said()
		known += said[len(said)-1].Pool
	}
	open := r.connections("normal") - connections(r.direct)
	assert.LessOrEqual(r.t, open, known, "connections, and those that the clients know of")
	r.eventually(patience, "no subscription is left", func() bool { return r.connections("pubsub") == 0 })
}

// connections is how many the server has, with the test's own; kind is what CLIENT
// LIST TYPE takes.
func (r *round) connections(kind string) int {
	r.t.Helper()
	list, err := r.direct.Do(context.Background(), "CLIENT", "LIST", "TYPE", kind).Text()
	require.NoError(r.t, err)
	return strings.Count(list, "\n")
}

func (r *round) eventually(limit time.Duration, what string, ok func() bool) {
	r.t.Helper()
	for give := time.Now().Add(limit); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(give) {
			assert.Fail(r.t, "never came true: "+what, "in %v: %q", limit, r.keys("*"))
			return
		}
	}
}

// memory is how something had grown from the second quarter of the run to the last.
type memory struct{ before, after, operations int64 }

func (m memory) String() string {
	return fmt.Sprintf("%d to %d KiB in %d operations", m.before>>10, m.after>>10, m.operations)
}

// A leak of 100 bytes in each operation must show in ten minutes: on a machine that
// has nothing else to do, a process does some 30,000 of them between the middles of
// the two quarters, on a busy one 10,000. In a short run there are too few for that,
// and only a rough leak shows.
const (
	leakPerOperation = 30
	noise            = 256 << 10
	roughNoise       = 4 << 20
	enoughToShow     = 5000 // operations
)

func (m memory) leaks() bool {
	allowed := int64(noise)
	if m.operations < enoughToShow {
		allowed = roughNoise
	}
	return m.after-m.before > allowed+leakPerOperation*m.operations
}

// quarters compares the second quarter with the last.
func quarters(samples []word, of func(word) int64) memory {
	mean := func(some []word, of func(word) int64) (sum int64) {
		for _, w := range some {
			sum += of(w)
		}
		return sum / max(int64(len(some)), 1)
	}
	n := len(samples) / 4
	second, last := samples[n:2*n], samples[len(samples)-n:]
	done := func(w word) int64 { return w.Operations }
	return memory{mean(second, of), mean(last, of), mean(last, done) - mean(second, done)}
}

// checkMemory sees that the processes that were there all the time have not grown,
// nor has the server.
func (r *round) checkMemory() {
	r.t.Helper()
	var operations int64
	for place := range r.run.elders {
		var samples []word
		for _, w := range r.now[place].Said() {
			if w.Event == "sample" {
				samples = append(samples, w)
			}
			operations = max(operations, w.Operations)
		}
		live := quarters(samples, func(w word) int64 { return w.Live })
		inUse := quarters(samples, func(w word) int64 { return w.InUse })
		resident := quarters(samples, func(w word) int64 { return w.Resident })
		r.t.Logf("process %d: live heap %v, heap in use %v, resident %v", place, live, inUse, resident)
		assert.False(r.t, live.leaks(), "the heap of process %d grew from %v", place, live)
		inUse.before += roughNoise         // what the collector has not yet found
		resident.before += 16 * roughNoise // what it has not given back, and the race detector's own
		assert.False(r.t, inUse.leaks(), "the heap of process %d grew from %v", place, inUse)
		assert.False(r.t, resident.leaks(), "process %d grew from %v", place, resident)
	}
	var samples []word
	for i, used := range r.memory {
		samples = append(samples, word{Live: used, Operations: int64(r.run.processes) * operations * int64(i) / int64(len(r.memory))})
	}
	used := quarters(samples, func(w word) int64 { return w.Live })
	r.t.Logf("server: %v", used)
	used.before += roughNoise // what it keeps of connections and scripts
	assert.False(r.t, used.leaks(), "the server's memory grew from %v", used)
}
