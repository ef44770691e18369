package timing_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

// inject lets so many faults happen to as many holders.
type inject func(t *testing.T, r chance, faults int) []result

// kinds of faults, and how many of ten are of that kind.
var kinds = []struct {
	name   string
	share  int
	inject inject
}{
	{"cut", 2, network(func(p *redistest.Proxy, _ chance, _ lease) { p.Cut() })},
	{"replies cut", 2, network(func(p *redistest.Proxy, _ chance, _ lease) { p.CutReplies() })},
	{"replies late", 2, network(late)},
	{"server frozen", 1, freeze},
	{"process stopped", 1, stop},
	{"process busy", 2, busy},
}

// late has refreshes succeed late for a while, and then none: the lease runs from
// before the last was sent, and not from when its answer came.
func late(p *redistest.Proxy, r chance, l lease) {
	p.Delay(r.between(l.TTL/20, l.TTL/2))
	time.Sleep(r.between(0, l.TTL*3/2))
	p.Cut()
}

// EFFECTLOCK_TIMING_FAULTS is how many faults there are, 200 by default, and
// EFFECTLOCK_TIMING_SEED the seed of an earlier run, whose leases and faults are
// then had again. How they meet is up to the machine.
func TestWorkIsOverBeforeAnotherCanHaveTheLock(t *testing.T) {
	faults := setting(t, "EFFECTLOCK_TIMING_FAULTS", 200)
	seed := setting(t, "EFFECTLOCK_TIMING_SEED", rand.Uint64())
	t.Logf("EFFECTLOCK_TIMING_SEED=%d", seed)
	redistest.Start(t) // or the test is skipped, and not only its parts

	began := time.Now()
	var mu sync.Mutex
	results := map[string][]result{}
	t.Run("after", func(t *testing.T) {
		for i, kind := range kinds {
			t.Run(kind.name, func(t *testing.T) {
				t.Parallel()
				n := (int(faults)*kind.share + 9) / 10 //nolint:gosec // nobody asks for that many
				all := kind.inject(t, chance{rand.New(rand.NewPCG(seed, uint64(i)))}, n)
				mu.Lock()
				defer mu.Unlock()
				results[kind.name] = all
			})
		}
	})
	sinceBoot, byTheClock := time.Since(began), time.Now().Round(0).Sub(began.Round(0))
	require.InDelta(t, sinceBoot, byTheClock, float64(2*time.Millisecond), "the clock of this machine was set, so nothing can be said")

	total := 0
	for _, kind := range kinds {
		all, lost := results[kind.name], 0
		for _, r := range all {
			require.NoError(t, r.err)
			assert.Greater(t, r.token, r.Token)
			if r.Reason != "" {
				lost++
			}
			if gap, ok := r.gap(); ok {
				assert.LessOrEqual(t, gap, time.Duration(0), "after %q, by %+v", kind.name, r)
			}
		}
		total += len(all)
		t.Logf("%s: of %d locks %d were lost\n\twork over, after another could have the lock: %s\n\tlock said it had expired, after that: %s",
			kind.name, len(all), lost, spread(all, result.gap), spread(all, result.said))
		if kind.name != "process busy" { // which a fast machine may survive
			assert.Positive(t, lost, "no lock was lost, so there was nothing to see")
		}
	}
	assert.GreaterOrEqual(t, total, int(faults)) //nolint:gosec // as above
}

func setting(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err, "%s=%q: want a number", name, text)
	return n
}
