package torture_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// workload is what the clients of a process do.
type workload struct {
	Clients  int // goroutines in each process
	Keys     int
	Lingers  int // clients of each process that keep a lock for about a lease, so that faults find one
	Kept     int // how many of the first keys are for lingering clients, which would block others
	Leases   []time.Duration
	Refresh  bool // at random intervals
	Pause    time.Duration
	Modes    [modes]int // the relative frequency of each mode
	Stays    []stay
	Bare     bool // the work writes to no register
	PerWrite int  // one in so many sections writes as it begins; all write once their lock is lost; 0: none
}

// stay is the random duration of a percentage of the sections. The rest last 2 ms.
type stay struct {
	Percent int
	Most    time.Duration
	Leases  float64 // or so many leases
}

// longest returns the longest lease.
func (w workload) longest() time.Duration { return slices.Max(w.Leases) }

// mode is how a lock is asked for.
type mode uint8

const (
	withLock mode = iota
	withLockInTime
	ifAvailable
	inScope
	tryInScope
	modes
)

// waits reports whether a client in this mode waits until it has the lock.
func (m mode) waits() bool { return m == withLock || m == inScope }

var (
	errWork  = errors.New("the work failed")
	workDied = "the work panicked"
)

// client is a goroutine that asks for one lock after another.
type client struct {
	*worker
	number int
	random *rand.Rand
	zipf   *rand.Zipf
}

func newClient(w *worker, n int) *client {
	r := rand.New(rand.NewPCG(w.Seed, uint64(w.Number*w.Work.Clients+n)))
	return &client{w, n, r, rand.NewZipf(r, 1.1, 1, uint64(w.Work.Keys-w.Work.Kept-1))}
}

func (c *client) run() {
	for c.parent.Running().Err() == nil {
		time.Sleep(c.upTo(c.Work.Pause))
		c.attempt(c.key())
		c.operations.Add(1)
		c.served.Do(func() { c.say("served", "") })
	}
}

func (c *client) upTo(d time.Duration) time.Duration {
	return time.Duration(c.random.Int64N(int64(d) + 1))
}

// oneIn returns true once in n times, at random.
func (c *client) oneIn(n int) bool { return c.random.IntN(n) == 0 }

func (c *client) lingers() bool { return c.number < c.Work.Lingers }

// key returns a lock to ask for. Half of the clients compete for the same few locks, and wait
// most of the time; the others keep something going meanwhile.
func (c *client) key() string {
	kept, others := c.Work.Kept, c.Work.Keys-c.Work.Kept
	switch {
	case c.lingers():
		return lockOf(c.random.IntN(kept))
	case c.number%2 == 0:
		return lockOf(kept + c.random.IntN(others))
	default:
		return lockOf(kept + int(c.zipf.Uint64()))
	}
}

func lockOf(n int) string { return fmt.Sprintf("torture-%d", n) }

func (c *client) mode() (m mode) {
	sum := 0
	for _, weight := range c.Work.Modes {
		sum += weight
	}
	for n := c.random.IntN(sum); n >= c.Work.Modes[m]; m++ {
		n -= c.Work.Modes[m]
	}
	return m
}

// length returns how long to stay inside.
func (c *client) length(ttl time.Duration) time.Duration {
	if c.lingers() {
		return c.upTo(3 * ttl)
	}
	chance := c.random.IntN(100)
	for _, s := range c.Work.Stays {
		if chance -= s.Percent; chance < 0 {
			return c.upTo(s.Most + time.Duration(s.Leases*float64(ttl)))
		}
	}
	return c.upTo(2 * time.Millisecond)
}

// attempt asks for the lock once. Each attempt has a mutex of its own, as each
// request to a web server would.
func (c *client) attempt(key string) {
	ttl := c.Work.Leases[c.random.IntN(len(c.Work.Leases))]
	lostAt := &atomic.Int64{} // outlives this attempt, which may be over when the observer is called
	config := mutex.Config{TTL: ttl, Observer: func(_ context.Context, e mutex.Event) {
		c.observe(e)
		if e.Kind == mutex.Lost {
			lostAt.Store(int64(now()))
		}
	}}
	if c.Poll || c.Flaw != "" {
		config.AcquireRetryInterval = 5 * time.Millisecond
	}
	if c.Work.Refresh {
		config.RefreshInterval = ttl/10 + c.upTo(ttl/2)
	}
	m, err := mutex.New(c.ledger, key, config)
	if err != nil {
		c.say("wrong", err.Error())
		return
	}
	ctx := context.Background()
	s := &section{client: c, attempt: attempt{
		Process: c.Process, Place: c.Place, Client: c.number, Number: int(c.attempts.Add(1)),
		Key: key, Mode: c.mode(), TTL: ttl, Outcome: killed, // until it returns
	}}
	if s.Mode == withLockInTime {
		inTime, cancel := context.WithTimeout(ctx, time.Millisecond+c.upTo(300*time.Millisecond))
		defer cancel()
		ctx = inTime
	}
	s.Called = now()
	s.note()
	err = effect.RunExit(ctx, s.asks(m)).Err()
	s.Returned, s.Lost = now(), instant(lostAt.Load())
	s.judge(ctx, err)
	if !c.Work.Bare && s.inside() && (c.oneIn(10) || c.Flaw != "") {
		s.Kept = c.holds(m, s.Holder)
	}
	s.note()
	c.ledger.forget(s.Holder)
}

// holds reports whether the lock is held under this id, which no later attempt uses.
func (c *client) holds(m *mutex.Mutex, holder string) bool {
	brief, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	found, err := m.Holder(brief)
	return err == nil && found == option.Some(holder)
}

// judge finds out how an attempt that returned err ended.
func (s *section) judge(ctx context.Context, err error) {
	if err != nil {
		s.Error = err.Error()
	}
	loss, isLost := errors.AsType[*mutex.LockLostError](err)
	died, _ := errors.AsType[*effect.Defect](err)
	_, failed := errors.AsType[*mutex.MutexBackingError](err)
	switch {
	case isLost:
		s.Outcome, s.Reason = lost, loss.Reason
	case failed:
		s.Outcome = unanswered
	case err == nil && !s.inside():
		s.Outcome = refused
	case err == nil, died != nil && died.Value == workDied, errors.Is(err, errWork):
		s.Outcome = done
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		s.Outcome = gaveUp
	default:
		s.Outcome = odd
	}
}
