package histories_test

import (
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

	"github.com/IBM/fp-go/v2/option"
	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

const assignmentVariable = "EFFECTLOCK_HISTORIES_WORKER"

// assignment is what a worker process is told.
type assignment struct {
	Process string
	Number  int // of the process, which no other has
	Seed    uint64
	Clients int
	Keys    []string
	TTL     time.Duration
	Locks   string // the address of the lock's server
	Data    string // the address of the registers' server
	Log     string // the path of the log
}

// worker is a process of clients.
type worker struct {
	assignment
	log      *log
	ledger   *ledger
	register register
	mutexes  map[string]*mutex.Mutex
	attempts atomic.Int64
	values   atomic.Int64
}

// work is a worker process from beginning to end. It returns its exit code. It goes
// on until its standard input closes, be it because the test that started it has ended.
func work(encoded string) int {
	w := worker{mutexes: map[string]*mutex.Mutex{}}
	if err := json.Unmarshal([]byte(encoded), &w.assignment); err != nil {
		fmt.Fprintf(os.Stderr, "%s=%q: %v\n", assignmentVariable, encoded, err)
		return 2
	}
	file, err := os.OpenFile(w.Log, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	w.log = &log{file: file}
	// The lock repeats its requests itself: what the client repeats, the ledger does not see.
	w.ledger = newLedger(redis.New(goredis.NewClient(&goredis.Options{Addr: w.Locks, MaxRetries: -1})), w.log)
	w.register = register{goredis.NewClient(&goredis.Options{Addr: w.Data, MaxRetries: -1, ReadTimeout: time.Second, ContextTimeoutEnabled: true})}
	for _, key := range w.Keys {
		if w.mutexes[key], err = mutex.New(w.ledger, key, mutex.Config{TTL: w.TTL}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
	}
	var stopping atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stopping.Store(true)
		time.Sleep(patience / 2)
		fmt.Fprintln(os.Stderr, "did not stop")
		os.Exit(3)
	}()
	go w.noticeStalls()
	var running sync.WaitGroup
	for i := range w.Clients {
		c := client{&w, i, rand.New(rand.NewPCG(w.Seed, uint64(w.Number*w.Clients+i)))}
		running.Go(func() {
			for !stopping.Load() {
				time.Sleep(c.upTo(3 * time.Millisecond))
				c.attempt()
			}
		})
	}
	running.Wait()
	return 0
}

// noticeStalls writes down when the process did not run for a while: on a busy
// machine that happens without anybody's order.
func (w *worker) noticeStalls() {
	for last := now(); ; {
		time.Sleep(10 * time.Millisecond)
		t := now()
		if t.since(last) > stalled {
			w.log.add(line{Kind: stall, From: last, At: t})
		}
		last = t
	}
}

// stalled is for how long nothing happens in a stall that counts as a fault. What is
// reserved for a waiter ends before it asks only if the server, the network and its
// process together stand still for longer than three of these.
const stalled = 150 * time.Millisecond

// client makes one attempt after the other.
type client struct {
	*worker
	number int
	random *rand.Rand
}

func (c *client) upTo(d time.Duration) time.Duration { return time.Duration(c.random.Int64N(int64(d))) }

// oneIn is true once in n times.
func (c *client) oneIn(n int) bool { return c.random.IntN(n) == 0 }

// lingers tells that the client keeps a lock for about a lease, so that it is
// seldom without one when something happens to its process. Of three clients of a
// process one does, and they have keys of their own: elsewhere they would only be in
// the way.
func (c *client) lingers() bool { return c.number < c.Clients/3 }

func (c *client) key() string {
	quarter := len(c.Keys) / 4
	if c.lingers() {
		return c.Keys[c.random.IntN(quarter)]
	}
	return c.Keys[quarter+c.random.IntN(len(c.Keys)-quarter)]
}

func (c *client) attempt() {
	key, ctx := c.key(), context.Background()
	if c.oneIn(10) {
		limited, cancel := context.WithTimeout(ctx, 2*time.Millisecond+c.upTo(100*time.Millisecond))
		defer cancel()
		ctx = limited
	}
	s := &section{client: c, attempt: int(c.attempts.Add(1)), key: key}
	try := c.oneIn(2)
	c.log.add(line{Kind: "called", Attempt: s.attempt, Client: c.number, Key: key, Try: try, TTL: c.TTL, At: now()})
	ran := option.Some(effect.Void{})
	var err error
	if try {
		ran, err = mutex.WithLockIfAvailable(c.mutexes[key], s.work)(ctx)
	} else {
		_, err = mutex.WithLock(c.mutexes[key], s.work)(ctx)
	}
	end := line{Kind: "returned", Attempt: s.attempt, Outcome: done, At: now()}
	var taken *mutex.LockLostError
	var failed *mutex.MutexBackingError
	switch {
	case err == nil && option.IsNone(ran):
		end.Outcome = refused
	case err == nil:
	case errors.As(err, &taken):
		end.Outcome, end.Reason = lost, taken.Reason
	case errors.As(err, &failed):
		end.Outcome = unanswered
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		end.Outcome = gaveUp
	default:
		end.Outcome = odd
	}
	if err != nil {
		end.Error = err.Error()
	}
	c.log.add(end)
	c.ledger.forget(s.holder)
}
