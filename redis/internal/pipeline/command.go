package pipeline

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/effectlock/effectlock/redis/internal/script"
)

// Command is one run of a script. It is its caller's until [Pipeline.Run] has it, and the
// pipeline's from then on: the lane's while it is queued and in flight, the waiting caller's
// again when it is done. A caller that stops waiting abandons it and never touches it again.
type Command struct {
	attempt attempt
	script  *script.Script
	args    []any
	argBuf  [16]any // for args, unless there are more

	ctx   context.Context
	next  *Command              // in the lane's queue
	batch atomic.Pointer[batch] // the batch that it is sent with; nil if it is sent alone
	state atomic.Int32
	done  chan struct{} // receives a value when the command is done

	unhooked *atomic.Bool // set if the client has no hooks; nil: not to be examined

	soon *time.Timer   // of the waiting caller
	gone chan struct{} // closed when the caller has seen its context end

	reply string
	err   error
}

// The states of a command.
const (
	queued    int32 = iota // in the lane
	cancelled              // the caller has left, and it is not to be sent
	inFlight               // may have been sent
	abandoned              // may have been sent, and the caller has left
	done                   // has a reply or an error, and is the caller's again
)

// commands are used again with all that belongs to them, which is half a kilobyte.
var commands = sync.Pool{New: func() any { return &Command{done: make(chan struct{}, 1), gone: make(chan struct{})} }}

// NewCommand begins a run of s on so many keys, which must be added before the arguments.
// The first of them is the lock, or lives in its hash slot.
func NewCommand(s *script.Script, keys int) *Command {
	c := commands.Get().(*Command)
	c.script = s
	c.args = append(c.argBuf[:0], "evalsha", s.Name(), keys)
	return c
}

// Add adds a key or an argument, which is a string. A caller that adds the same one often can
// keep it as an interface: to make one of a string is an allocation.
func (c *Command) Add(word any) { c.args = append(c.args, word) }

// AddInt adds a number.
func (c *Command) AddInt(n int64) { c.args = append(c.args, n) }

// AddAll adds keys or arguments, as many as there are.
func (c *Command) AddAll(all ...string) {
	c.args = append(make([]any, 0, max(cap(c.args), len(c.args)+2*len(all))), c.args...)
	for _, s := range all {
		c.args = append(c.args, s)
	}
}

// Words returns what would be sent, EVALSHA or the source with EVAL, for a caller that sends
// it together with other commands by itself. The command must not be used afterwards.
func (c *Command) Words(source bool) []any {
	words := append([]any(nil), c.args...)
	if source {
		words[0], words[1] = "eval", c.script.Source
	}
	return words
}

// lock is the first key.
func (c *Command) lock() string {
	if len(c.args) > firstKey {
		if key, ok := c.args[firstKey].(string); ok {
			return key
		}
	}
	return ""
}

// firstKey is the position of the first key among the words of EVALSHA and EVAL.
const firstKey = 3

// prepare makes the command ready to be sent once, with whatever ctx says.
func (c *Command) prepare(ctx context.Context) {
	c.attempt.begin(ctx, c.args, c.script.Idempotent)
}

// useEval makes the command carry the source of its script, for a server that does not have it.
func (c *Command) useEval() { c.args[0], c.args[1] = "eval", c.script.Source }

// free lets the command be used again. Only its caller may do that, before the command is
// sent or when it is done.
func (c *Command) free() {
	clear(c.args)
	c.args, c.ctx, c.unhooked = nil, nil, nil
	c.attempt = attempt{}
	c.batch.Store(nil)
	c.reply, c.err = "", nil
	c.state.Store(queued)
	commands.Put(c)
}
