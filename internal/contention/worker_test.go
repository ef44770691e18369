package contention_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

const (
	assignmentVariable = "EFFECTLOCK_CONTENTION_WORKER"

	goroutines = 4 // of each worker process

	// lease is short, because a holder that is killed costs the others the rest
	// of it, and long beside the moments for which a loaded machine stops a
	// process: the counter is written without a fencing token, and a holder that
	// is stopped for a whole lease between its last look at its context and its
	// write is beyond what a lock can promise.
	lease = 2 * time.Second

	counterKey = "counter"
	journalKey = "journal"
)

// An assignment is what a worker process is told.
type assignment struct {
	Process string // its name; process ids are used again
	Data    string // the address of the counter and the journal
	Lock    target
	Flaw    string        // the way in which the lock is broken, "" for the real one
	Poll    bool          // without push
	TTL     time.Duration // of the lock
	Slow    time.Duration // how long a few of the turns may last
}

// A target says where the lock's store is.
type target struct {
	Addr      string   // of a server, or a proxy in front of it
	Sentinels []string // their addresses, if they are to be asked for the server's
	Cluster   []string // the addresses of a Cluster's servers
}

func (l target) client() goredis.UniversalClient {
	switch {
	case l.Sentinels != nil:
		return goredis.NewFailoverClient(&goredis.FailoverOptions{MasterName: redistest.Monitored, SentinelAddrs: l.Sentinels})
	case l.Cluster != nil:
		return goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: l.Cluster})
	default:
		return goredis.NewClient(&goredis.Options{Addr: l.Addr})
	}
}

// work is a worker process, from beginning to end; it returns its exit code.
// It increments the counter until its standard input closes: when its work is
// done, or the test that started it has ended, whatever ended it.
func work(encoded string) int {
	var a assignment
	if err := json.Unmarshal([]byte(encoded), &a); err != nil {
		fmt.Fprintf(os.Stderr, "%s=%q: %v\n", assignmentVariable, encoded, err)
		return 2
	}
	locks := a.Lock.client()
	var options []redis.Option
	if a.Poll {
		options = append(options, redis.WithoutPush())
	}
	m, err := mutex.New(flawed(a.Flaw, redis.New(locks, options...), locks), "counter", mutex.Config{
		TTL:                  cmp.Or(a.TTL, lease),
		AcquireRetryInterval: 5 * time.Millisecond,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	// A write to the counter that go-redis repeats by itself would be under
	// way for longer than the context allows.
	w := &worker{assignment: a, data: goredis.NewClient(&goredis.Options{Addr: a.Data, MaxRetries: -1})}

	var stopping atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stopping.Store(true)
		time.Sleep(15 * time.Second) // longer than what the mutex may need to give up
		fmt.Fprintln(os.Stderr, "did not stop")
		os.Exit(3)
	}()
	var running sync.WaitGroup
	for range goroutines {
		running.Go(func() {
			for !stopping.Load() {
				time.Sleep(rand.N(4 * time.Millisecond)) // lets other processes have a turn
				w.attempt(mutex.Locked[int](m))
			}
		})
	}
	running.Wait()
	return 0
}

type worker struct {
	assignment
	data *goredis.Client

	mu sync.Mutex // orders the lines of standard output
}

// attempt increments once and reports how that went.
func (w *worker) attempt(locked effect.Operator[int, int]) {
	began, r := time.Now(), report{Process: w.Process}
	value, err := locked(func(ctx context.Context) (int, error) {
		r.Waited = time.Since(began)
		held, _ := mutex.FromContext(ctx)
		r.Holder = held.HolderID()
		return w.increment(ctx, held)
	})(context.Background())
	r.Value = value
	if err != nil {
		r.Error = err.Error()
		if lost, ok := errors.AsType[*mutex.LockLostError](err); ok {
			r.Lost = lost.Reason
		}
		_, r.Unanswered = errors.AsType[*mutex.MutexBackingError](err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		os.Exit(4) // nobody listens any more
	}
}

// increment is the critical section. The pause between reading and writing is
// where a second holder would do its damage.
func (w *worker) increment(ctx context.Context, held *mutex.KeepAlive) (int, error) {
	if err := record(ctx, w.data, entry{Kind: enter, Process: w.Process, Holder: held.HolderID(), Token: held.Token()}); err != nil {
		return 0, err
	}
	n, err := w.data.Get(ctx, counterKey).Int()
	if err != nil && !errors.Is(err, goredis.Nil) {
		return 0, err
	}
	pause := rand.N(2 * time.Millisecond)
	if w.Slow > 0 && rand.IntN(30) == 0 {
		pause = rand.N(w.Slow)
	}
	if _, err := effect.Sleep(pause)(ctx); err != nil {
		return 0, err
	}
	n++
	if err := w.data.Set(ctx, counterKey, n, 0).Err(); err != nil {
		return 0, err
	}
	return n, record(ctx, w.data, entry{Kind: leave, Process: w.Process, Holder: held.HolderID(), Value: n})
}

func record(ctx context.Context, data *goredis.Client, e entry) error {
	e.At = clock()
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return data.RPush(ctx, journalKey, line).Err()
}

// flawed breaks a lock on purpose.
func flawed(flaw string, b backing.Backing, client goredis.UniversalClient) backing.Backing {
	if flaw == "" {
		return b
	}
	return flaws[flaw](b, client)
}
