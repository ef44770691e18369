package pipeline

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/effectlock/effectlock/redis/internal/script"
)

// Command is one run of a script. It belongs to its caller until [Pipeline.Run] is called,
// then to the sender while it is queued and in flight, and to the waiting caller again when
// it is done. A caller that stops waiting never touches it again.
type Command struct {
	attempt attempt
	script  *script.Script
	args    []any
	argBuf  [16]any // the memory of args, unless there are more

	ctx   context.Context
	state atomic.Int32
	batch *batch        // the batch in which it is sent; set before it is in flight
	alone batch         // the memory of that batch, if the command is sent alone
	done  chan struct{} // receives a value when the command is done
	timer *time.Timer   // the timer of the waiting caller

	reply string
	err   error
}

// The states of a command that the loop sends. The loop moves it from one state to the
// next, and its caller to abandoned.
const (
	queued    int32 = iota // in the sender's queue
	inFlight               // may have been sent
	done                   // has a reply or an error, and belongs to the caller again
	abandoned              // its caller has left: it is not sent, or nobody waits for its reply
)

// commands are reused: each holds half a kilobyte of memory.
var commands = sync.Pool{New: func() any {
	c := &Command{done: make(chan struct{}, 1), timer: time.NewTimer(0)}
	c.timer.Stop()
	c.alone.ended = make(chan struct{})
	return c
}}

// firstKey is the position of the first key among the words of EVALSHA and EVAL.
const firstKey = 3

// NewCommand begins a run of s with the given number of keys, which must be added before
// the arguments. The first of them is the lock, or is in its hash slot.
func NewCommand(s *script.Script, keys int) *Command {
	c := commands.Get().(*Command)
	c.script = s
	c.args = append(c.argBuf[:0], "evalsha", s.Name(), keys)
	return c
}

// Add adds a key or an argument, which is a string. A caller that adds the same one often
// can keep it as an interface: converting a string allocates.
func (c *Command) Add(word any) { c.args = append(c.args, word) }

// AddInt adds a number.
func (c *Command) AddInt(n int64) { c.args = append(c.args, n) }

// Words returns what would be sent, EVALSHA or the source with EVAL, to a caller that sends
// it together with other commands by itself. The command must not be used afterwards.
func (c *Command) Words(source bool) []any {
	words := append([]any(nil), c.args...)
	if source {
		words[0], words[1] = "eval", c.script.Source
	}
	return words
}

// useEval makes the command carry the source of its script, for a server that does not have
// it. It reports false if the command did so already.
func (c *Command) useEval() bool {
	if c.args[0] == "eval" {
		return false
	}
	c.args[0], c.args[1] = "eval", c.script.Source
	return true
}

// recycle makes the command available for reuse. Only its caller may do that, before the
// command is sent or when it is done.
func (c *Command) recycle() {
	clear(c.args)
	c.args, c.ctx, c.batch = nil, nil, nil
	c.alone.values = context.Background() // a hook may still have the context
	c.attempt = attempt{}
	c.reply, c.err = "", nil
	c.state.Store(queued)
	commands.Put(c)
}

// complete returns the command to its caller, if the caller still waits.
func (c *Command) complete() {
	if c.state.CompareAndSwap(inFlight, done) {
		c.done <- struct{}{}
	}
}

// send puts the command in the loop's queue and waits for it.
//
// Most replies come in a fraction of stallAfter. Until then the caller does not look at its
// context, which halves the allocations of a lock: the mutex's contexts with a deadline
// allocate little until somebody looks at them.
func (s *sender) send(c *Command) (Reply, error) {
	ctx, first := c.ctx, stallAfter
	if deadline, ok := ctx.Deadline(); ok {
		if first = min(first, time.Until(deadline)); first <= 0 {
			<-ctx.Done() // it may be a moment late
		}
	}
	if ctx.Err() != nil { // since the direct path was tried
		err := c.endedInQueue()
		c.recycle()
		return Reply{}, err
	}
	c.timer.Reset(first)
	s.put(c)
	var ended <-chan struct{}
	for leaving := false; ; {
		select {
		case <-c.done:
			c.timer.Stop()
			if leaving { // its batch has ended for good, so it cannot be reused
				return c.result()
			}
			return c.take()
		case <-ended:
			if c.state.CompareAndSwap(queued, abandoned) {
				return Reply{}, c.endedInQueue()
			}
			ended, leaving = nil, true
			c.batch.leave() // no further attempt is to begin
			c.timer.Reset(graceAfter(ctx, c.attempt.touched.Load()))
		case <-c.timer.C:
			switch {
			case !leaving:
				ended = ctx.Done()
				if s.relieve(c) {
					c.timer.Reset(stallAfter)
				}
			case c.state.CompareAndSwap(inFlight, abandoned):
				return Reply{}, noReply(ctx)
			}
		}
	}
}

// result is how the command went, for the caller when it is done.
func (c *Command) result() (Reply, error) {
	switch err := c.err; {
	case err == nil:
		return Reply{c.reply, c.attempt.unanswered}, nil
	case c.ctx.Err() == nil || err.Error() != context.Canceled.Error():
		return Reply{}, WithContextErr(c.ctx, err)
	case MayBeApplied(err): // its batch has ended: "deadline exceeded: context canceled" would explain nothing
		return Reply{}, noReply(c.ctx)
	default:
		return Reply{}, notSent(c.ctx)
	}
}

// take is result for a command that can be reused.
func (c *Command) take() (Reply, error) {
	reply, err := c.result()
	c.recycle()
	return reply, err
}

// endedInQueue is the error of a command whose context ended before the loop sent it.
func (c *Command) endedInQueue() error {
	if c.attempt.unanswered { // on the direct path
		return noReply(c.ctx)
	}
	return notSent(c.ctx)
}
