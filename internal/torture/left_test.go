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

// The locks' keys on the server, as patterns. On a server that is not in a Cluster, all
// locks share one fence.
const (
	lockPrefix = "dmutex:torture-"
	queues     = "dmutex:{dmutex:torture-*}~queue"
	released   = "dmutex:{dmutex:torture-*}~released:*"
	fence      = "dmutex:{3560}~fence"
)

// checkLeft checks that nothing is left on the server once all processes have ended.
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

// checkFree checks that nobody has a lock, and that no live waiter is queued. A killed waiter
// stays in a queue until somebody asks, and then for a minute at most. A lock that was reserved
// for such a waiter is held for 2 s at most; that of a killed holder, for the rest of its lease.
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

// checkKeys checks that nothing is left but what should be: the last token forever, the
// memory of a release for 6 s, and the queue of the dead and of unanswered requests for a
// minute.
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
			assert.Equal(r.t, time.Duration(-1), ttl, "%s must stay forever", key)
		case kind == "":
			assert.Fail(r.t, "a key is left", "%s, for %v", key, ttl)
		default: // -2 if it has expired since it was listed
			assert.NotEqual(r.t, time.Duration(-1), ttl, "%s stays forever", key)
			assert.LessOrEqual(r.t, ttl, most, "%s", key)
		}
	}
	assert.Equal(r.t, 1, left[fence], "exactly one key has the last token")
	r.t.Logf("keys left: %v", left)
}

// keys returns the server's keys that match.
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

// checkConnections checks that the server has no more connections than the clients know
// of, and no subscriptions: nobody has waited for some time.
func (r *round) checkConnections() {
	r.t.Helper()
	known := 0
	for _, p := range r.now {
		said := p.Said()
		known += said[len(said)-1].Pool
	}
	open := r.connections("normal") - connections(r.direct)
	assert.LessOrEqual(r.t, open, known, "connections of the server, and those that the clients know of")
	r.eventually(patience, "no subscription is left", func() bool { return r.connections("pubsub") == 0 })
}

// connections returns how many connections the server has, the test's own included;
// kind is as in CLIENT LIST TYPE.
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
			assert.Fail(r.t, "timed out waiting until "+what, "%v, %q", limit, r.keys("*"))
			return
		}
	}
}

// memory is how something grew from the second quarter of the run to the last.
type memory struct{ before, after, operations int64 }

func (m memory) String() string {
	return fmt.Sprintf("%d to %d KiB in %d operations", m.before>>10, m.after>>10, m.operations)
}

// A leak of 100 bytes per operation must show in ten minutes: on an idle machine, a
// process does some 30,000 operations between the middles of the two quarters, on a busy
// one 10,000. A short run has too few, and shows only a gross leak.
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

// checkMemory checks that neither the processes that ran all the time nor the server
// have grown.
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
		inUse.before += roughNoise         // what the collector has not found yet
		resident.before += 16 * roughNoise // what it has not returned, and the race detector's own
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
