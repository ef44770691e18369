package soak_test

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
)

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
	enough           = 5000 // operations
)

func (m memory) leaks() bool {
	allowed := int64(noise)
	if m.operations < enough {
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
func (c *chaos) checkMemory() {
	c.t.Helper()
	for place := range elders {
		samples := c.now[place].said("sample")
		live := quarters(samples, func(w word) int64 { return w.Live })
		inUse := quarters(samples, func(w word) int64 { return w.InUse })
		resident := quarters(samples, func(w word) int64 { return w.Resident })
		c.t.Logf("process %d: live heap %v, heap in use %v, resident %v", place, live, inUse, resident)
		assert.False(c.t, live.leaks(), "the heap of process %d grew from %v", place, live)
		inUse.before += roughNoise         // what the collector has not yet found
		resident.before += 16 * roughNoise // what it has not given back, and the race detector's own
		assert.False(c.t, inUse.leaks(), "the heap of process %d grew from %v", place, inUse)
		assert.False(c.t, resident.leaks(), "process %d grew from %v", place, resident)
	}
	var samples []word
	for i, used := range c.memory {
		samples = append(samples, word{Live: used, Operations: c.operations() * int64(i) / int64(len(c.memory))})
	}
	used := quarters(samples, func(w word) int64 { return w.Live })
	c.t.Logf("server: %v", used)
	used.before += roughNoise // what it keeps of connections and scripts
	assert.False(c.t, used.leaks(), "the server's memory grew from %v", used)
}

// checkFree sees that nobody has a lock, and none who lives waits for one, when all
// have come to an end. A waiter that was killed stays in a queue until somebody asks,
// and then for a minute at most.
func (c *chaos) checkFree() {
	c.t.Helper()
	assert.Empty(c.t, c.keys(locks), "locks that nobody has")
	ctx := context.Background()
	living, err := c.direct.PubSubChannels(ctx, "push:*").Result()
	require.NoError(c.t, err)
	for _, queue := range c.keys(queues) {
		members, err := c.direct.ZRange(ctx, queue, 0, -1).Result()
		require.NoError(c.t, err)
		for _, channel := range living {
			assert.NotContains(c.t, strings.Join(members, "\n"), " "+channel+" ", "%s", queue)
		}
	}
}

// checkKeys sees that nothing is left but what is meant to be: the last token for ever,
// the memory of a release for 6 s, and the queue of the dead and of requests that
// were never answered for a minute. The leases are over by now.
func (c *chaos) checkKeys() {
	c.t.Helper()
	left := map[string]int{}
	ctx := context.Background()
	for _, key := range c.keys("*") {
		ttl, err := c.direct.PTTL(ctx, key).Result()
		require.NoError(c.t, err)
		kind, most := "", time.Duration(0)
		for of, limit := range map[string]time.Duration{queues: time.Minute, released: backing.ReleaseMemory} {
			if matched, err := path.Match(of, key); err == nil && matched {
				kind, most = of, limit
			}
		}
		left[cmp.Or(kind, key)]++
		switch {
		case key == fence:
			assert.Equal(c.t, time.Duration(-1), ttl, "%s must stay for ever", key)
		case kind == "":
			assert.Fail(c.t, "is left", "%s, for %v", key, ttl)
		default: // -2 if it has expired since it was listed
			assert.NotEqual(c.t, time.Duration(-1), ttl, "%s stays for ever", key)
			assert.LessOrEqual(c.t, ttl, most, "%s", key)
		}
	}
	assert.Equal(c.t, 1, left[fence], "one key has the last token")
	c.t.Logf("keys left: %v", left)
}

// checkConnections sees that the server has no more connections than the clients
// know of, and no subscription any more. Nobody has waited for some time.
func (c *chaos) checkConnections() {
	c.t.Helper()
	known := 0
	for _, p := range c.now {
		known += p.last().Pool
	}
	open := c.connections("normal") - c.own()
	assert.LessOrEqual(c.t, open, known, "connections, and those that the clients know of")
	c.eventually(func() bool { return c.connections("pubsub") == 0 }, "no subscription is left")
	c.t.Logf("%d connections when all was still", open)
}

// connections is how many the server has, with the test's own; kind is what CLIENT
// LIST TYPE takes.
func (c *chaos) connections(kind string) int {
	c.t.Helper()
	list, err := c.direct.Do(context.Background(), "CLIENT", "LIST", "TYPE", kind).Text()
	require.NoError(c.t, err)
	return strings.Count(list, "\n")
}

// own is how many connections the test has.
func (c *chaos) own() int { return connections(c.direct) }

func (c *chaos) eventually(ok func() bool, what string) {
	c.t.Helper()
	for give := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(give) {
			require.FailNow(c.t, "never came true: "+what)
		}
	}
}
