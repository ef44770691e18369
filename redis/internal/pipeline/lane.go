package pipeline

import (
	"context"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

const (
	// maxBatch is how many commands share a round trip. A server that gets them all at
	// once does nothing else for about a millisecond.
	maxBatch = 200
	// stallAfter is how long a batch may keep the commands behind it waiting.
	stallAfter = 20 * time.Millisecond
	// idleFor is how long the loop waits for more commands before it ends.
	idleFor = 20 * time.Millisecond
)

// lane sends the commands of concurrent callers to a server. While some are under way,
// others gather behind them and go together in the next batch: the busier the callers
// are, the fewer round trips they need.
//
// A command that finds the lane free may be sent by its own caller; see direct.go. All
// others are sent by the loop, a goroutine that stays for a moment when nothing waits:
// a new one for each command would spend a fifth of its time on growing its stack. A lane
// that is not used has none.
//
// Whatever sends owns the lane. An owner that stalls, because the server is frozen or
// the connection dead, does not hold up the lane: the watchdog makes another loop take
// over, on another connection.
//
// go-redis has an AutoPipeliner, which is experimental, allocates three times as much for
// an acquire and a release, and lets commands share the fate of their batch.
type lane struct {
	// solo and together send commands, and return what that failed with.
	solo     func(context.Context, *Command) error
	together func(context.Context, []*Command) error

	mu          sync.Mutex
	first, last *Command   // the queue
	owner       int        // which loop is the owner; they are counted
	sending     bool       // the owner, or a caller on the direct path, has sent something
	since       time.Time  // when that was
	parked      chan<- int // wakes the loop that waits for commands, which owns the lane from then on; nil if none waits
	parkedAt    time.Time
	watchdog    *time.Timer
	armed       bool // the watchdog is set

	direct    directRoute
	redirects bool // the client is a Cluster's: it acts on some errors of the server
	idle      idleCheck
}

// retired instead of an owner's number ends a parked loop.
const retired = 0

func newLane(client goredis.UniversalClient) *lane {
	return &lane{
		solo: func(ctx context.Context, c *Command) error { return process(ctx, client, c) },
		together: func(ctx context.Context, all []*Command) error {
			cmds := make([]goredis.Cmder, len(all))
			for i, c := range all {
				cmds[i] = &c.attempt
			}
			pipe := client.Pipeline()
			_ = pipe.BatchProcess(ctx, cmds...) // queues them, no more
			_, err := pipe.Exec(ctx)
			return err
		},
	}
}

// put queues a command.
func (l *lane) put(c *Command) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last != nil {
		l.last.next = c
	} else {
		l.first = c
	}
	l.last = c
	if l.sending {
		l.armWatchdog(stallAfter)
	} else {
		l.takeOver()
	}
}

// isBusy reports whether what is put in the lane now has to wait.
func (l *lane) isBusy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sending
}

// takeOver makes a loop the owner of the lane: the one that is parked, or else a new one.
func (l *lane) takeOver() {
	l.owner++
	l.sending, l.since = true, time.Now()
	if l.parked != nil {
		l.parked <- l.owner
		l.parked = nil
		return
	}
	go l.loop(l.owner)
}

// armWatchdog makes the watchdog look in a while, or sooner if it is armed already: both
// of what it looks for take equally long.
func (l *lane) armWatchdog(in time.Duration) {
	switch {
	case l.armed:
		return
	case l.watchdog == nil:
		l.watchdog = time.AfterFunc(in, l.watch)
	default:
		l.watchdog.Reset(in)
	}
	l.armed = true
}

// watch takes the lane from an owner that has stalled, and ends a loop that was parked
// for long.
func (l *lane) watch() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.armed = false
	if l.parked != nil {
		if idle := time.Since(l.parkedAt); idle < idleFor {
			l.armWatchdog(idleFor - idle)
		} else {
			l.parked <- retired
			l.parked = nil
		}
	}
	if l.sending && l.first != nil {
		stalled := time.Since(l.since)
		if stalled >= stallAfter {
			l.takeOver()
			stalled = 0
		}
		l.armWatchdog(stallAfter - stalled)
	}
}

// loop sends whatever is queued, for as long as it owns the lane.
func (l *lane) loop(mine int) {
	var all []*Command
	wake := make(chan int, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.owner == mine {
		all = l.collect(all[:0])
		if len(all) == 0 {
			l.sending = false
			l.parked, l.parkedAt = wake, time.Now()
			l.armWatchdog(idleFor)
			l.mu.Unlock()
			mine = <-wake
			l.mu.Lock()
			continue
		}
		began := time.Now()
		l.since = began
		if len(all) == 1 && l.direct.isOutdated(began) {
			l.direct.look(all[0], began)
		}
		l.mu.Unlock()
		sent := len(all)
		replied := l.run(all)
		clear(all)
		l.mu.Lock()
		l.direct.note(sent, replied, time.Since(began))
	}
}

// collect takes the commands of the next batch from the queue.
func (l *lane) collect(all []*Command) []*Command {
	for l.first != nil && len(all) < maxBatch {
		c := l.first
		l.first, c.next = c.next, nil
		if l.first == nil {
			l.last = nil
		}
		if !c.state.CompareAndSwap(queued, inFlight) {
			continue
		}
		if c.ctx.Err() != nil {
			c.complete("", c.endedInQueue())
			continue
		}
		all = append(all, c)
	}
	if l.first != nil {
		l.armWatchdog(stallAfter)
	}
	return all
}

// run sends the commands and completes them, and reports whether the server replied. One
// that does not have a script is sent its source.
func (l *lane) run(all []*Command) (replied bool) {
	unknown := all[:0]
	failed := l.exec(all)
	for _, c := range all {
		reply, err := c.attempt.outcome(failed)
		if err != nil && goredis.HasErrorPrefix(err, "NOSCRIPT") {
			c.useEval()
			unknown = append(unknown, c)
			continue
		}
		replied = err == nil || isReply(err)
		c.complete(reply, err)
	}
	if len(unknown) == 0 {
		return replied
	}
	failed = l.exec(unknown)
	for _, c := range unknown {
		reply, err := c.attempt.outcome(failed)
		replied = err == nil || isReply(err)
		c.complete(reply, err)
	}
	return replied
}

// exec takes the commands to the server and back.
func (l *lane) exec(all []*Command) (err error) {
	defer recovered(&err)
	if len(all) == 1 {
		c := all[0]
		c.prepare(soloContext{c})
		return l.solo(soloContext{c}, c)
	}
	ctx, b := newBatch(all)
	defer b.cancel()
	for _, c := range all {
		c.prepare(ctx)
	}
	return l.together(ctx, all)
}

// complete gives the command its reply, and itself back to its caller.
func (c *Command) complete(reply string, err error) {
	c.setOutcome(reply, err)
	if c.state.CompareAndSwap(inFlight, done) {
		c.done <- struct{}{}
	}
}
