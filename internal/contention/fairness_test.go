package contention_test

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

// The figures of a crowd that hands one lock round.
type figuresOfTurns struct {
	turns        int
	requests     float64 // of all clients, for each turn
	processes    float64 // Jain's index of fairness: 1 is equal shares, 1/n is one getting everything
	goroutines   float64
	longest      time.Duration // wait
	between      int           // the most turns of others during one wait
	share        time.Duration // how long a wait is if all are equal
	idle         time.Duration // the longest time between two turns
	twice, early int           // turns that overlapped the one before, or had a lower token
}

// window is how long the crowd is watched once everybody has come.
const window = 10 * time.Second

func TestTheLockIsHandedRoundFairlyAndAtTheSamePriceWhateverTheCrowd(t *testing.T) {
	few := handRound(t, 8, 1)
	t.Run("64 processes with one waiter each", func(t *testing.T) {
		f := handRound(t, 64, 1)
		f.assertFair(t)
		assert.LessOrEqual(t, f.requests, few.requests*1.1, "the price grows with the number of processes")
		assert.LessOrEqual(t, f.requests, 3.3) // to queue, to be granted the lock when woken, to release
	})
	t.Run("8 processes with 100 waiters each", func(t *testing.T) {
		f := handRound(t, 8, 100)
		f.assertFair(t)
		assert.LessOrEqual(t, f.requests, 1.3, "the price grows with the number of waiters")
	})
}

// A notification that is lost costs the time until the waiter asks unwoken, which each
// does every 1.5 s; the lock is reserved for longer.
func TestTheLockIsNeverIdleForLongThoughNotificationsAreLost(t *testing.T) {
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr())
	lost := loseOneInThree(t, proxy)
	f := handRoundThrough(t, server, proxy.Addr(), 8, 4)
	assert.NotZero(t, lost.Load(), "nothing was lost")
	assert.LessOrEqual(t, f.idle, 2500*time.Millisecond)
	t.Logf("%d notifications lost, the lock was idle for up to %v", lost.Load(), f.idle)
}

func (f figuresOfTurns) assertFair(t *testing.T) {
	t.Helper()
	assert.GreaterOrEqual(t, f.processes, 0.95)
	assert.GreaterOrEqual(t, f.goroutines, 0.95)
	assert.LessOrEqual(t, f.longest, 3*f.share)
}

func handRound(t *testing.T, processes, goroutines int) figuresOfTurns {
	t.Helper()
	server := redistest.Start(t)
	return handRoundThrough(t, server, server.Addr(), processes, goroutines)
}

func handRoundThrough(t *testing.T, server *redistest.Server, lock string, processes, goroutines int) figuresOfTurns {
	t.Helper()
	client := server.Client(t)
	var crowd []*inLine
	for i := range processes {
		crowd = append(crowd, sendToQueue(t, duty{Process: i, Goroutines: goroutines, Lock: lock}))
	}
	for _, p := range crowd {
		p.started(t)
	}
	require.NoError(t, pause(t.Context(), time.Second)) // for all to have come
	before, from := requests(t, client), time.Now()
	require.NoError(t, pause(t.Context(), window))
	after, to := requests(t, client), time.Now()
	for _, p := range crowd {
		_ = p.leash.Close()
	}
	var turns []turn
	for _, p := range crowd {
		turns = append(turns, p.finish(t)...)
	}
	f := figuresOf(turns, from, to, processes, goroutines)
	f.requests = float64(after-before) / float64(f.turns)
	t.Logf("%d processes of %d: %d turns, %.2f requests each, fairness over processes %.3f, over goroutines %.3f, longest wait %v at a share of %v, with at most %d turns of others",
		processes, goroutines, f.turns, f.requests, f.processes, f.goroutines, f.longest, f.share, f.between)
	assert.Zero(t, f.twice, "turns overlap")
	assert.Zero(t, f.early, "a token is lower than the one before")
	return f
}

func figuresOf(turns []turn, from, to time.Time, processes, goroutines int) (f figuresOfTurns) {
	slices.SortFunc(turns, func(a, b turn) int { return cmp.Compare(a.Began, b.Began) })
	first, last := from.UnixNano(), to.UnixNano()
	ofProcess, ofGoroutine := make([]float64, processes), make([]float64, processes*goroutines)
	for i, now := range turns {
		asked := sort.Search(i, func(k int) bool { return turns[k].Began >= now.Asked })
		f.between = max(f.between, i-asked)
		if i > 0 && now.Began < turns[i-1].Done {
			f.twice++
		}
		if i > 0 && now.Token <= turns[i-1].Token {
			f.early++
		}
		if i > 0 {
			f.idle = max(f.idle, time.Duration(now.Began-turns[i-1].Done))
		}
		f.longest = max(f.longest, time.Duration(min(now.Began, last)-max(now.Asked, first)))
		if now.Began >= first && now.Began < last {
			f.turns++
			ofProcess[now.Process]++
			ofGoroutine[now.Process*goroutines+now.Goroutine]++
		}
	}
	f.processes, f.goroutines = jain(ofProcess), jain(ofGoroutine)
	f.share = to.Sub(from) * time.Duration(processes*goroutines) / time.Duration(max(f.turns, 1))
	return f
}

func jain(shares []float64) float64 {
	var sum, squares float64
	for _, x := range shares {
		sum, squares = sum+x, squares+x*x
	}
	return sum * sum / (float64(len(shares)) * squares)
}

// requests is what clients have sent to the server: what scripts call inside
// does not count.
func requests(t *testing.T, client *goredis.Client) (n int) {
	t.Helper()
	stats, err := client.Info(context.Background(), "commandstats").Result()
	require.NoError(t, err)
	for _, calls := range sent.FindAllStringSubmatch(stats, -1) {
		k, err := strconv.Atoi(calls[1])
		require.NoError(t, err)
		n += k
	}
	return n
}

var sent = regexp.MustCompile(`cmdstat_(?:evalsha|eval|script\|load|subscribe|unsubscribe|ping|hello|client\|\w+|info):calls=(\d+)`)
