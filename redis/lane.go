package redis

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

const (
	// maxFlight is how many commands share a round trip. A server that has them
	// all does nothing else meanwhile, for about a millisecond.
	maxFlight = 200
	// overdue is how long a flight may keep those behind it waiting.
	overdue = 20 * time.Millisecond
	// rest is how long a flight waits for more before it ends.
	rest = 20 * time.Millisecond
)

// lane carries the commands of concurrent senders to a server. As long as one
// flight is under way, others gather behind it, and go with the next one
// together: so the busier the senders are, the fewer round trips they need.
//
// A flight is a goroutine. It rests for a moment when nothing waits: a new one for
// each command would spend a fifth of its time on growing its stack. A lane that is
// not used has none.
//
// A flight that is overdue, because the server is frozen or the connection dead,
// does not hold up the lane: the next one departs beside it, on another
// connection.
//
// go-redis has an AutoPipeliner, which is experimental, allocates three times as much
// for an acquire and a release, and lets commands share the fate of their flight.
type lane struct {
	// alone and together send commands, and return what that failed with.
	alone    func(context.Context, *command) error
	together func(context.Context, []*command) error

	mu          sync.Mutex
	first, last *command
	busy        bool            // a flight has the charge of the lane
	resting     chan<- struct{} // wakes it, nil unless it rests
	charge      int             // how many had it before
	since       time.Time       // the flight is under way
	watching    bool            // the watch is set
	watch       *time.Timer
}

func newLane(client goredis.UniversalClient) *lane {
	return &lane{
		alone: func(ctx context.Context, c *command) error { return client.Process(ctx, c) },
		together: func(ctx context.Context, all []*command) error {
			cmds := make([]goredis.Cmder, len(all))
			for i, c := range all {
				cmds[i] = c
			}
			pipe := client.Pipeline()
			_ = pipe.BatchProcess(ctx, cmds...) // queues them, no more
			_, err := pipe.Exec(ctx)
			return err
		},
	}
}

// put hands a command over to the lane.
func (l *lane) put(c *command) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last != nil {
		l.last.next = c
	} else {
		l.first = c
	}
	l.last = c
	switch {
	case l.resting != nil:
		l.wake()
	case l.busy:
		l.watchOut(overdue)
	default:
		l.charged()
	}
}

// isBusy tells that what is put in the lane now has to wait.
func (l *lane) isBusy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.busy && l.resting == nil
}

func (l *lane) wake() {
	l.resting <- struct{}{}
	l.resting = nil
}

// charged has a new flight take charge of the lane.
func (l *lane) charged() {
	l.busy, l.since = true, time.Now()
	l.charge++
	go l.fly(l.charge)
}

// watchOut makes sure that somebody looks after those who wait.
func (l *lane) watchOut(in time.Duration) {
	switch {
	case l.watching:
		return
	case l.watch == nil:
		l.watch = time.AfterFunc(in, l.look)
	default:
		l.watch.Reset(in)
	}
	l.watching = true
}

// look takes the charge from a flight that is overdue, or has rested for long.
func (l *lane) look() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watching = false
	since := time.Since(l.since)
	switch {
	case l.resting != nil && since < rest:
		l.watchOut(rest - since)
	case l.resting != nil:
		l.busy = false
		l.charge++
		l.wake()
	case !l.busy || l.first == nil:
	case since < overdue:
		l.watchOut(overdue - since)
	default:
		l.charged()
		l.watchOut(overdue)
	}
}

// fly carries whatever waits, for as long as the flight has the charge.
func (l *lane) fly(mine int) {
	var all []*command
	bell := make(chan struct{}, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.charge == mine {
		all = l.board(all[:0])
		if len(all) == 0 {
			l.resting = bell
			l.watchOut(rest)
			l.mu.Unlock()
			<-bell
			l.mu.Lock()
			continue
		}
		l.since = time.Now()
		l.mu.Unlock()
		l.carry(all)
		clear(all)
		l.mu.Lock()
	}
}

// board takes the commands that go with a flight.
func (l *lane) board(all []*command) []*command {
	for l.first != nil && len(all) < maxFlight {
		c := l.first
		l.first, c.next = c.next, nil
		if l.first == nil {
			l.last = nil
		}
		if !c.state.CompareAndSwap(waits, flies) {
			continue
		}
		if c.ctx.Err() != nil {
			c.land("", unsent(c.ctx))
			continue
		}
		all = append(all, c)
	}
	if l.first != nil {
		l.watchOut(overdue)
	}
	return all
}

// carry takes the commands to the server and back. A server that does not know a
// script is sent its source.
func (l *lane) carry(all []*command) {
	for _, c := range all {
		c.prepare()
	}
	unknown := all[:0]
	failed := l.convey(all)
	for _, c := range all {
		value, err := c.outcome(failed)
		if err != nil && goredis.HasErrorPrefix(err, "NOSCRIPT") {
			c.spellOut()
			unknown = append(unknown, c)
			continue
		}
		c.land(value, err)
	}
	if len(unknown) == 0 {
		return
	}
	failed = l.convey(unknown)
	for _, c := range unknown {
		c.land(c.outcome(failed))
	}
}

func (l *lane) convey(all []*command) (err error) {
	defer recovered(&err)
	if len(all) == 1 {
		return l.alone(journey{all[0]}, all[0])
	}
	ctx, f := newFlight(all)
	defer f.cancel()
	return l.together(ctx, all)
}

// recovered makes an error of a panic of the client, or of one of its hooks. go-redis
// panics at some replies that no Redis gives, and on a goroutine of ours no caller
// could recover.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("redis: the client panicked: %v\n\n%s", r, debug.Stack())
	}
}

// land gives the command its answer, and itself back to its sender.
func (c *command) land(value string, err error) {
	c.value, c.err = value, classify(err)
	if c.state.CompareAndSwap(flies, landed) {
		c.done <- struct{}{}
		return
	}
	if c.late != nil {
		c.late(c.value, c.err)
	}
}
