package pipeline

import (
	"slices"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

const (
	// maxBatch is how many commands share a round trip. A server that gets them all at once
	// does nothing else for about a millisecond.
	maxBatch = 200
	// stallAfter is how long a batch may keep the commands behind it waiting.
	stallAfter = 20 * time.Millisecond
	// idleFor is how long a loop waits for more commands before it ends.
	idleFor = 20 * time.Millisecond
)

// sender sends the commands of concurrent callers to a server. While some are being sent,
// others gather behind them and go together in the next batch: the busier the callers are,
// the fewer round trips they need.
//
// A command that finds the sender idle may be sent by its own caller; see direct.go. All
// others are sent by the loop, a goroutine that stays for a moment when the queue is empty:
// a new one for each command would spend a fifth of its time on growing its stack.
//
// The goroutine that sends owns the sender. An owner that stalls, because the server is
// frozen or the connection dead, holds nothing up: a caller that waits behind it makes
// another loop take over, on another connection.
//
// go-redis has an AutoPipeliner, which is experimental, allocates three times as much for
// an acquire and a release, and makes commands share the fate of their batch.
type sender struct {
	client    goredis.UniversalClient
	redirects bool     // the client is a Cluster's, which acts on some errors of the server
	idle      chan int // an idle loop receives the number of the next owner

	mu      sync.Mutex
	queue   []*Command
	owner   int       // number of the current owner: a loop, or a caller on the direct path
	sending bool      // the owner has sent a batch, or is about to
	since   time.Time // when the owner began to send
	direct  directRoute
}

func newSender(client goredis.UniversalClient, redirects bool) *sender {
	return &sender{client: client, redirects: redirects, idle: make(chan int)}
}

// isBusy reports whether a command that is queued now has to wait.
func (s *sender) isBusy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sending
}

// put queues a command.
func (s *sender) put(c *Command) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, c)
	if !s.sending {
		s.takeOver()
	}
}

// relieve replaces an owner that has stalled, and reports whether c is still in the queue.
func (s *sender) relieve(c *Command) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.state.Load() != queued {
		return false
	}
	if s.sending && time.Since(s.since) >= stallAfter {
		s.takeOver()
	}
	return true
}

// takeOver makes a loop the owner: an idle one, or a new one.
func (s *sender) takeOver() {
	owner := s.own(time.Now())
	select {
	case s.idle <- owner:
	default:
		go s.loop(owner)
	}
}

// own numbers a new owner, which sends from now on.
func (s *sender) own(now time.Time) int {
	s.owner, s.sending, s.since = s.owner+1, true, now
	return s.owner
}

// loop sends whatever is queued, for as long as it is the owner.
func (s *sender) loop(mine int) {
	var all []*Command
	idle := time.NewTimer(idleFor)
	defer idle.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.owner == mine {
		var b *batch
		if b, all = s.collect(all[:0]); len(all)+len(s.queue) == 0 {
			s.sending = false
			s.mu.Unlock()
			idle.Reset(idleFor)
			select {
			case mine = <-s.idle:
			case <-idle.C:
				mine = 0 // which is no owner's number
			}
			s.mu.Lock()
			continue
		}
		began := time.Now()
		s.since = began
		if len(all) == 1 {
			s.direct.examine(b, began)
		}
		s.mu.Unlock()
		sent := len(all)
		replied := b.run(s.client, all)
		clear(all)
		s.mu.Lock()
		s.direct.note(sent, replied, began)
	}
}

// collect takes the commands of the next batch from the queue. It skips commands whose
// contexts have ended: their callers notice by themselves.
func (s *sender) collect(all []*Command) (b *batch, _ []*Command) {
	n := min(len(s.queue), maxBatch)
	switch n {
	case 0:
		return nil, all
	case 1:
		b = s.queue[0].batchOfOne()
	default:
		b = newBatch()
		defer b.leave()
	}
	for _, c := range s.queue[:n] {
		if c.ctx.Err() != nil {
			continue
		}
		b.join(c)
		if c.state.CompareAndSwap(queued, inFlight) {
			all = append(all, c)
		} else {
			b.leave()
		}
	}
	s.queue = slices.Delete(s.queue, 0, n)
	return b, all
}
