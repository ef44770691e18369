package redis

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// command is one run of a script, from its encoding to its reply. It belongs to
// whoever sends it, then to the lane that carries it, and to the sender again
// when it has landed; who leaves before that leaves it to the lane.
//
// Its arguments are pointers to its own words and numbers, which go-redis writes
// without the allocation that a string or a number costs as an interface.
type command struct {
	*goredis.StringCmd // the sending of it; new for each

	script  *script
	args    []any
	room    [16]any // for args, unless there are more
	words   [9]string
	numbers [2]int64
	nwords  int
	nnumber int

	ctx    context.Context
	next   *command               // in the lane
	flight atomic.Pointer[flight] // that carries it along with others; nil if it flies alone
	state  atomic.Int32
	done   chan struct{} // has a value once the command has landed

	patience *time.Timer   // of its sender
	gone     chan struct{} // closed when the sender's context has ended

	written  int // how often it was
	answered int // how often it had been written when it was answered last
	value    string
	err      error

	// late is told the answer if the sender has left.
	late func(value string, err error)
}

// The states of a command.
const (
	waits     int32 = iota // in the lane
	withdrawn              // the sender has left, and it is not to be sent
	flies                  // may have been sent
	left                   // may have been sent, and the sender has left
	landed                 // has an answer, and is the sender's again
)

// commands are used again with what belongs to them, in all half a kilobyte.
var commands = sync.Pool{New: func() any { return &command{done: make(chan struct{}, 1), gone: make(chan struct{})} }}

// newCommand begins a run of s on so many keys, which must be added first.
func newCommand(s *script, keys int) *command {
	c := commands.Get().(*command)
	c.script = s
	c.args = append(c.room[:0], "evalsha", s.name, counts[keys])
	return c
}

// counts are numbers of keys as arguments.
var counts = [...]any{"0", "1", "2", "3", "4", "5"}

// afterlife is the argument that says how long the fence outlives the lease.
var afterlife any = strconv.FormatInt(fenceLife.Milliseconds(), 10)

func (c *command) word(s string) {
	at := &c.words[c.nwords]
	*at = s
	c.nwords++
	c.args = append(c.args, at)
}

func (c *command) number(n int64) {
	at := &c.numbers[c.nnumber]
	*at = n
	c.nnumber++
	c.args = append(c.args, at)
}

// free lets the command be used again. Only a sender whose command has landed may do so.
func (c *command) free() {
	clear(c.words[:c.nwords])
	c.nwords, c.nnumber = 0, 0
	c.StringCmd, c.args, c.ctx, c.late = nil, nil, nil, nil
	c.flight.Store(nil)
	c.value, c.err = "", nil
	c.state.Store(waits)
	commands.Put(c)
}

// prepare makes the command ready to be sent.
func (c *command) prepare() {
	c.StringCmd = goredis.NewStringCmd(journey{c}, c.args...)
	c.SetFirstKeyPos(3)
	c.written, c.answered = 0, 0
}

// spellOut has the command sent with the source of its script.
func (c *command) spellOut() {
	c.args[0], c.args[1] = "eval", c.script.source
	c.prepare()
}

// NoRetry is called by go-redis before it repeats the command. A request for a lock that
// was written and has no answer may still be applied: after a repeat that was answered,
// and after its claimant has released, and nobody would know of it. To repeat it is left
// to the mutex's policy, and what is in doubt is undone.
func (c *command) NoRetry() bool {
	switch c.script {
	case acquireScript, enqueueScript, passScript:
		return c.written != c.answered
	}
	return false
}

// Args is called by go-redis whenever it writes the command.
func (c *command) Args() []any {
	c.written++
	return c.StringCmd.Args()
}

// SetErr is called by go-redis with how the reading of a reply went. When a
// connection breaks amid a pipeline it is called once more for the commands that
// were answered before, as if they had failed too. Those are to keep their
// answers, but not beyond a repetition of the pipeline: a lock that the first time
// was refused may have been granted the second, when the connection broke again.
func (c *command) SetErr(err error) {
	if err == nil || isReply(err) {
		c.answered = c.written
	} else if c.written > 0 && c.written == c.answered {
		return
	}
	c.StringCmd.SetErr(err)
}

// outcome is what came back. failed is what sending it, alone or with others,
// failed with, in which case the command may not know.
func (c *command) outcome(failed error) (string, error) {
	value, err := c.Result()
	if err == nil && failed != nil && !isReply(failed) && (c.written == 0 || c.written != c.answered) {
		err = failed
	}
	if err != nil {
		value = ""
		if !isReply(err) && c.written != c.answered {
			err = &silence{err}
		}
	}
	return value, err
}

// silence is the error of a command that was written and has no answer: it may have
// been applied, or may yet be. Of the error alone that could not be told: when its
// context has ended, go-redis reports that, and not what became of its attempts.
type silence struct{ error }

func (s *silence) Unwrap() error { return s.error }

// isReply tells the errors that a server has answered with.
func isReply(err error) bool {
	var refused goredis.Error
	return errors.As(err, &refused)
}
