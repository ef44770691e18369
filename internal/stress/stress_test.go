package stress_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

// run is one run; it returns what went wrong.
func run(t *testing.T, seed uint64, lateness bool) (w *world) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w = &world{r: rand.New(rand.NewPCG(seed, 1)), faults: true, lateness: lateness, began: time.Now()}
		store := memory.New()
		ttl := 20 * time.Second
		if lateness {
			ttl = []time.Duration{3 * time.Second, 10 * time.Second, 30 * time.Second}[w.n(3)]
		}
		patience := 10 * time.Second
		if lateness {
			patience = time.Duration(1+w.n(5)) * time.Second
		}
		var locks []*mutex.Mutex
		for range 1 + w.n(3) {
			p := &process{store: store, w: w}
			var b backing.Backing
			switch w.n(6) {
			case 0:
				b = p
			case 1:
				b = &queueing{p}
			case 2:
				b = &passOnly{passing{queueing{p}}}
			default:
				b = &passing{queueing{p}}
			}
			for range 1 + w.n(2) {
				c := mutex.Config{TTL: ttl, BackingFailureRetryPolicy: schedule.Spaced(100 * time.Millisecond).UpTo(patience)}
				if w.n(4) == 0 {
					c.AcquireRetryPolicy = schedule.Spaced(time.Second).UpTo(10 * time.Second)
				}
				if w.n(3) == 0 {
					c.RefreshInterval = ttl / 100 * time.Duration(10+w.n(85))
				}
				m, err := mutex.New(b, "k", c)
				if err != nil {
					t.Fatal(err)
				}
				locks = append(locks, m)
			}
		}
		root, giveUp := context.WithCancel(context.Background())
		defer giveUp()
		var all sync.WaitGroup
		var names sync.Mutex
		waiting := map[string]bool{}
		for i := range 3 + w.n(12) {
			m := locks[w.n(len(locks))]
			arrives, stays := w.dur(20*time.Second), w.dur(1500*time.Millisecond)
			if w.n(8) == 0 {
				stays = w.dur(20 * time.Second)
			}
			ctx, cancel := context.WithCancel(root)
			tries := w.n(5) == 0
			if w.n(3) == 0 {
				leaves := arrives + w.dur(15*time.Second)
				go func() { time.Sleep(leaves); cancel() }()
			}
			name := strconv.Itoa(i)
			all.Go(func() {
				defer cancel()
				time.Sleep(arrives)
				names.Lock()
				waiting[name] = true
				names.Unlock()
				work := func(ctx context.Context) (int, error) {
					k, _ := mutex.FromContext(ctx)
					if err := ctx.Err(); err != nil {
						return 0, err
					}
					w.note("%s in as %s", name, short(k.HolderID()))
					w.mu.Lock()
					other := w.inside
					w.inside = name
					w.mu.Unlock()
					if other != "" {
						w.wrong("%s and %s are inside", other, name)
					}
					select {
					case <-time.After(stays):
					case <-ctx.Done():
					}
					w.note("%s out: %v", name, context.Cause(ctx))
					w.mu.Lock()
					if w.inside == name {
						w.inside = ""
					}
					w.mu.Unlock()
					return 1, nil
				}
				var err error
				if tries {
					_, err = mutex.WithLockIfAvailable(m, work)(ctx)
				} else {
					_, err = mutex.WithLock(m, work)(ctx)
				}
				w.note("%s ended: %v", name, err)
				names.Lock()
				delete(waiting, name)
				names.Unlock()
			})
		}
		ended := make(chan struct{})
		go func() { all.Wait(); close(ended) }()
		time.Sleep(30 * time.Second)
		w.mu.Lock()
		w.faults = false
		w.mu.Unlock()
		w.note("no more faults")
		limit := 5 * time.Minute
		if !lateness {
			limit = 3 * time.Minute
		}
		select {
		case <-ended:
		case <-time.After(limit):
			names.Lock()
			w.wrong("wait for ever: %v", waiting)
			names.Unlock()
			giveUp()
			<-ended
		}
		if lateness {
			time.Sleep(ttl + 10*time.Second)
		} else {
			time.Sleep(11 * time.Second)
		}
		if holder, _ := store.GetHolder(context.Background(), "k"); option.IsSome(holder) {
			w.wrong("the store is not free at the end: %v", holder)
		}
		grant, err := queueing{&process{store: store, w: w}}.Enqueue(context.Background(), backing.Waiter{Claim: backing.Claim{Key: "k", Holder: "last", TTL: time.Second}, Granted: func(backing.Handed) {}, Retry: func() {}})
		if !lateness && (err != nil || option.IsNone(grant.Grant)) {
			w.wrong("somebody is left in the queue")
		}
		if len(w.trouble) > 0 {
			failed(t, seed, w)
		}
	})
	return w
}

func failed(t *testing.T, seed uint64, w *world) {
	t.Helper()
	t.Errorf("seed %d: %v", seed, w.trouble)
	if dir := os.Getenv("EFFECTLOCK_STRESS_TRACES"); dir != "" {
		_ = os.WriteFile(fmt.Sprintf("%s/trace-%d-%v.txt", dir, seed, w.lateness), []byte(lines(w.trace)), 0o600)
	}
}

func lines(all []string) (s string) {
	for _, l := range all {
		s += l + "\n"
	}
	return s
}

// TestRandomMishapsNeitherLetTwoInNorKeepAnybodyOutNorLeaveALock runs as many
// worlds as the environment variable EFFECTLOCK_STRESS_RUNS says, from the seed
// EFFECTLOCK_STRESS_FROM on. EFFECTLOCK_STRESS_TRACES names a folder for what
// happened in those that went wrong.
func TestRandomMishapsNeitherLetTwoInNorKeepAnybodyOutNorLeaveALock(t *testing.T) {
	from, _ := strconv.ParseUint(os.Getenv("EFFECTLOCK_STRESS_FROM"), 10, 64)
	runs, _ := strconv.ParseUint(os.Getenv("EFFECTLOCK_STRESS_RUNS"), 10, 64)
	runs = max(runs, 500)
	bad := 0
	for seed := from; seed < from+runs && bad < 5; seed++ {
		for _, lateness := range []bool{false, true} {
			if len(run(t, seed, lateness).trouble) > 0 {
				bad++
			}
		}
	}
}
