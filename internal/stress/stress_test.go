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
	"github.com/effectlock/effectlock/internal/faulty"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

// run plays one world, and returns it with what went wrong.
func run(t *testing.T, seed uint64, lateness bool) (w *world) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w = &world{r: rand.New(rand.NewPCG(seed, 1)), faults: true, lateness: lateness, began: time.Now()}
		w.named = w.n(2) == 0
		store := faulty.NewMemory()
		store.Reserve = 2 * time.Second
		ttl := 20 * time.Second
		if lateness {
			ttl = []time.Duration{3 * time.Second, 10 * time.Second, 30 * time.Second}[w.n(3)]
		}
		patience := 10 * time.Second
		if lateness {
			patience = time.Duration(1+w.n(5)) * time.Second
		}
		var locks []func(holder string) *mutex.Mutex
		for range 1 + w.n(3) {
			p, reports := newProcess(store, w)
			for range 1 + w.n(2) {
				c := mutex.Config{TTL: ttl, BackingFailureRetryPolicy: schedule.Spaced(100 * time.Millisecond).UpTo(patience)}
				if w.n(4) == 0 {
					c.AcquireRetryPolicy = schedule.Spaced(time.Second).UpTo(10 * time.Second)
				}
				if w.n(3) == 0 {
					c.RefreshInterval = ttl / 100 * time.Duration(10+w.n(85))
				}
				locks = append(locks, func(holder string) *mutex.Mutex {
					c := c
					if reports { // otherwise a late release looks like that of a later acquisition
						c.HolderID = holder
					}
					m, err := mutex.New(p, "k", c)
					if err != nil {
						panic(err)
					}
					return m
				})
			}
		}
		root, giveUp := context.WithCancel(context.Background())
		defer giveUp()
		var all sync.WaitGroup
		var names sync.Mutex
		waiting := map[string]bool{}
		for i := range 3 + w.n(12) {
			name, holder, times := strconv.Itoa(i), "", 1
			if w.named && w.n(3) == 0 {
				holder, times = "named "+name, 1+w.n(3)
			}
			m := locks[w.n(len(locks))](holder)
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
					w.enter(name, k.Token())
					select {
					case <-time.After(stays):
					case <-ctx.Done():
					}
					w.note("%s out: %v", name, context.Cause(ctx))
					w.leave(name)
					return 1, nil
				}
				// Once a release has failed, the next request under the same id is from the
				// same holder, and the release may yet free what that request gets.
				for err := error(nil); times > 0 && err == nil; times-- {
					if tries {
						_, err = mutex.WithLockIfAvailable(m, work)(ctx)
					} else {
						_, err = mutex.WithLock(m, work)(ctx)
					}
					w.note("%s ended: %v", name, err)
					if backing.IsPermanent(err) {
						w.wrong("%s failed with %v", name, err)
					}
				}
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
			w.wrong("still waiting at the end: %v", waiting)
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
		last := backing.Waiter{Claim: backing.Claim{Key: "k", Holder: "last", TTL: time.Second}, Wake: func() {}}
		outcome, err := store.Enqueue(context.Background(), last)
		if _, granted := outcome.(backing.Granted); !lateness && (err != nil || !granted) {
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

// TestRandomMishapsNeitherLetTwoInNorKeepAnybodyOutNorLeaveALock runs as many worlds
// as the environment variable EFFECTLOCK_STRESS_RUNS says, starting with the seed
// EFFECTLOCK_STRESS_FROM. EFFECTLOCK_STRESS_TRACES names a folder for the traces of
// worlds that went wrong.
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
