package torture_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/internal/proc"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// orders are the configuration of a process.
type orders struct {
	Process string // its name, because process ids are reused
	Number  int    // unique to the process
	Place   int
	Seed    uint64
	Locks   target
	Data    string // the address of the registers' server
	Journal string // the path of the file
	Work    workload
	Flaw    string // the way in which the lock is broken, "" for the real one
	Poll    bool   // without push
	Patient bool   // the client retries by itself, as go-redis does by default
	Leaks   bool   // all is quiet before it ends, so no goroutine may be left
}

// A target says where the locks' server is.
type target struct {
	Addr      string   // of a server, or a proxy in front of it
	Sentinels []string // their addresses, if they know the server's
	Cluster   []string // the addresses of a Cluster's servers
}

func (o orders) client() goredis.UniversalClient {
	options := goredis.UniversalOptions{
		Addrs:          []string{o.Locks.Addr},
		ReadBufferSize: buffer, WriteBufferSize: buffer, PipelineReadBufferSize: buffer, PipelineWriteBufferSize: buffer,
	}
	if !o.Patient {
		options.DialerRetries, options.MaxRetries = 1, -1
	}
	switch {
	case o.Locks.Sentinels != nil:
		options.MasterName, options.Addrs = redistest.Monitored, o.Locks.Sentinels
	case o.Locks.Cluster != nil:
		options.IsClusterMode, options.Addrs = true, o.Locks.Cluster
	}
	return goredis.NewUniversalClient(&options)
}

// word is what a process says.
type word struct {
	Event      string // ready, served, sample, quiet, wrong, ended
	Operations int64
	Pool       int   // connections that the client knows of
	Live       int64 // live bytes of the heap
	InUse      int64 // bytes of the heap, free ones included
	Resident   int64 // resident bytes of the process
	What       string
}

// worker is the state that the clients of a process share.
type worker struct {
	orders
	parent     *proc.Parent
	locks      goredis.UniversalClient
	ledger     *ledger
	journal    *journal
	register   register
	attempts   atomic.Int64
	values     atomic.Int64
	operations atomic.Int64
	acquired   atomic.Int64 // events of the observer
	ended      atomic.Int64 // likewise, of the events that end a lock
	served     sync.Once
}

// work is the main function of a process.
func work(p *proc.Parent) int {
	goredis.SetLogger(silent{}) // its complaints about broken connections are useless here
	w := &worker{parent: p}
	p.Orders(&w.orders)
	file, err := os.OpenFile(w.Journal, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		proc.Fail("%v", err)
	}
	w.journal = &journal{file: file}
	w.locks, w.register = w.client(), newRegister(w.Data)
	var options []redis.Option
	if w.Poll {
		options = append(options, redis.WithoutPush())
	}
	store := redis.New(w.locks, options...)
	w.ledger = newLedger(flawed(w.Flaw, store, w.locks), w.Process, w.journal)
	p.Handle(w.obey)
	atFirst := runtime.NumGoroutine()
	w.say("ready", "")

	var watching, working sync.WaitGroup
	watching.Go(w.sample)
	watching.Go(w.noticeStalls)
	for n := range w.Work.Clients {
		c := newClient(w, n)
		working.Go(c.run)
	}
	working.Wait()
	_, err = mutex.AwaitCleanup(w.ledger)(context.Background())
	if err != nil {
		w.say("wrong", err.Error())
	}
	w.say("quiet", "")
	<-p.Present().Done()
	watching.Wait()
	w.expectNothing(store, atFirst)
	w.say("ended", "")
	return 0
}

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// obey obeys the line "busy <duration>": for so long the process is busy with other things.
func (w *worker) obey(line string) {
	d, err := time.ParseDuration(strings.TrimPrefix(line, "busy "))
	if err != nil {
		w.say("wrong", err.Error())
	}
	for range 4 + rand.IntN(12) {
		go func() {
			for end := time.Now().Add(d); time.Now().Before(end); {
			}
		}()
	}
}

// expectNothing checks that every acquired lock ended in exactly one of the ways that an observer
// is notified of, and that no goroutine is left.
func (w *worker) expectNothing(store *redis.Backing, atFirst int) {
	if acquired, ended := w.acquired.Load(), w.ended.Load(); acquired != ended {
		w.say("wrong", fmt.Sprintf("%d locks were acquired and %d ended", acquired, ended))
	}
	if left := runtime.NumGoroutine(); w.Leaks && left > atFirst {
		stacks := make([]byte, 1<<16)
		w.say("wrong", fmt.Sprintf("%d goroutines at the beginning, %d when all is quiet: %s", atFirst, left, stacks[:runtime.Stack(stacks, true)]))
	}
	_ = store.Close()
	_ = w.locks.Close()
	_ = w.register.client.Close()
	if err := goleak.Find(); err != nil {
		w.say("wrong", fmt.Sprintf("goroutines left after the clients were closed: %v", err))
	}
}

// observe counts the events of an observer.
func (w *worker) observe(e mutex.Event) {
	switch e.Kind {
	case mutex.Acquired:
		w.acquired.Add(1)
	case mutex.Released, mutex.ReleaseFailed, mutex.Lost:
		w.ended.Add(1)
	default:
	}
}

// sample reports the state of the process every second.
func (w *worker) sample() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.say("sample", "")
		case <-w.parent.Present().Done():
			return
		}
	}
}

func (w *worker) say(event, what string) {
	heap := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}}
	metrics.Read(heap)
	w.parent.Say(word{
		Event: event, What: what, Operations: w.operations.Load(), Resident: resident(), Pool: connections(w.locks),
		Live: int64(heap[0].Value.Uint64()), InUse: int64(heap[1].Value.Uint64() + heap[2].Value.Uint64()),
	})
}

// connections returns how many connections a client knows of.
func connections(c goredis.UniversalClient) int {
	stats := c.PoolStats()
	n := stats.TotalConns
	if stats.PipelineStats != nil { // pipelines have connections of their own
		n += stats.PipelineStats.TotalConns
	}
	return int(n)
}

// resident returns the memory of the process, or 0 where the system does not say.
func resident() int64 {
	var size, pages int64
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	_, _ = fmt.Fscan(strings.NewReader(string(statm)), &size, &pages)
	return pages * int64(os.Getpagesize())
}

// noticeStalls records when the process did not run: because it was stopped, or because the
// machine was too busy.
func (w *worker) noticeStalls() {
	for before := now(); w.parent.Present().Err() == nil; {
		time.Sleep(5 * time.Millisecond)
		after := now()
		if after.since(before) > pauseNoticed {
			w.journal.add(line{Stall: &span{before, after}})
		}
		before = after
	}
}

// pauseNoticed is the length of the shortest stall that is recorded.
const pauseNoticed = 30 * time.Millisecond

var _ backing.Able = (*ledger)(nil)
