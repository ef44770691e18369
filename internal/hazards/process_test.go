package hazards_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/proc"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// orders are what a process does with a lock: keep it until its standard input closes, perhaps
// because the test that started it has ended, or spin for a while on one thread.
type orders struct {
	Addr   string // of the server
	Key    string
	TTL    time.Duration
	Spin   time.Duration
	Others int  // other goroutines that spin for as long
	Alone  bool // nothing preempts a goroutine that spins
}

// word is what a process says: that it waits, is inside, is cancelled, or has ended.
type word struct {
	Event string
	Token uint64
	Error string
	Lost  mutex.LossReason
	Owned bool // the store said at the end of the work that it had the lock
}

// A process starts here, and not in TestMain, because a program that must not be preempted cannot
// have started anything else.
func init() {
	proc.Serve(map[string]proc.Worker{"contender": contend})
}

// contend is the main function of a process. It returns the exit code.
func contend(p *proc.Parent) int {
	var o orders
	p.Orders(&o)
	client := goredis.NewClient(&goredis.Options{Addr: o.Addr})
	m, err := mutex.New(redis.New(client), o.Key, mutex.Config{TTL: o.TTL, Observer: func(_ context.Context, e mutex.Event) {
		if e.Kind == mutex.Waiting {
			p.Say(word{Event: "waiting"})
		}
	}})
	if err != nil {
		proc.Fail("%v", err)
	}
	work := func(ctx context.Context) (none struct{}, err error) {
		lock, _ := mutex.FromContext(ctx)
		p.Say(word{Event: "inside", Token: lock.Token()})
		<-ctx.Done()
		p.Say(word{Event: "cancelled"})
		return none, ctx.Err()
	}
	ended := word{Event: "ended"}
	if o.Spin > 0 {
		rounds := measure() * int(o.Spin/time.Millisecond)
		work = func(ctx context.Context) (none struct{}, err error) {
			lock, _ := mutex.FromContext(ctx)
			ended.Token = lock.Token()
			for range o.Others {
				go spin(rounds)
			}
			spin(rounds)
			owner, err := client.Get(context.WithoutCancel(ctx), lockKey(o.Key)).Result()
			ended.Owned = err == nil && owner == lock.HolderID()
			return none, nil
		}
	}
	if _, err = mutex.WithLock(m, work)(p.Present()); err != nil {
		ended.Error = err.Error()
		if lost, ok := errors.AsType[*mutex.LockLostError](err); ok {
			ended.Lost = lost.Reason
		}
	}
	p.Say(ended)
	return 0
}

// spin calls no function, so only a signal can make it yield.
func spin(rounds int) {
	sum := uint32(1)
	for i := range rounds {
		sum = sum*1664525 + uint32(i) //nolint:gosec // it may overflow
	}
	spun.Store(sum)
}

var spun atomic.Uint32 // so that the compiler does not optimize the loop away

// measure returns how many rounds take about a millisecond: the best of several tries, because
// any of them may be slow on a loaded machine.
func measure() int {
	const rounds = 1_000_000
	best := time.Second
	for range 20 {
		began := time.Now()
		spin(rounds)
		best = min(best, time.Since(began))
	}
	return rounds * int(time.Millisecond) / int(best)
}

// process is a process that follows orders.
type process struct {
	*proc.Process[word]
	t *testing.T
}

// launch starts a process that wants the lock of the test.
func (s store) launch(o orders) *process {
	s.t.Helper()
	o.Addr, o.Key = s.Addr(), s.key
	var env []string
	if o.Spin > 0 {
		env = append(env, "GOMAXPROCS=1")
	}
	if o.Alone {
		env = append(env, "GODEBUG=asyncpreemptoff=1")
	}
	return &process{proc.Start[word](s.t, "contender", o, env...), s.t}
}

// says waits for the event, which must be the next thing that the process says.
func (p *process) says(event string) word {
	p.t.Helper()
	w, ok := p.Next(soon)
	require.True(p.t, ok, "never came: %s", event)
	require.Equal(p.t, event, w.Event, "%+v", w)
	return w
}

// isLost waits until the process has been cancelled and has lost its lock by its own clock.
func (p *process) isLost() {
	p.t.Helper()
	p.says("cancelled")
	assert.Equal(p.t, mutex.Expired, p.says("ended").Lost)
}

// isSilent asserts that the process says nothing for d.
func (p *process) isSilent(d time.Duration) {
	p.t.Helper()
	w, said := p.Next(d)
	require.False(p.t, said, "said %+v", w)
}

// dismiss makes the process release the lock and end.
func (p *process) dismiss() {
	p.t.Helper()
	p.Dismiss()
	p.says("cancelled")
	p.says("ended")
}
