package pipeline

import (
	"errors"
	"net"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// The direct path: a command that finds its sender idle is sent by its own caller. Going
// through the loop and back costs as much as a script does, and wakes another thread.
//
// But go-redis cannot interrupt the read of a reply, and a caller whose context ends must
// not be held up by one. So the direct path is taken only after a prompt reply to a single
// command, and only if the caller's deadline is further away than directTimeout, which is
// how long it waits for the reply. A command that takes longer is sent again through the
// loop, with the client's own timeouts, while the caller watches its context.
//
// A client with hooks has no direct path. A hook may take long. And a clone of a client, as
// WithTimeout makes it, has none of the client's hooks, nor has a master's client those of
// its Cluster; but a program that traces, counts or refuses commands must see ours as well.

const (
	// directTimeout is how long the direct path waits for a reply. go-redis measures it by
	// a clock that may be 50 ms behind, so it may be half of that.
	directTimeout = 100 * time.Millisecond
	// examineAfter is how long a sender relies on an examination of its client, and how
	// long it avoids a direct path that has failed.
	examineAfter = time.Second
)

// directRoute is what a sender knows about its direct path.
type directRoute struct {
	prompt   bool            // the last command was alone, and its reply came at once
	unhooked atomic.Bool     // the client had no hooks, and the direct path has not failed
	examined time.Time       // when unhooked was last set
	client   *goredis.Client // the client to send with; nil until it is made
}

// note records the result of a round trip. After a batch of several commands all their
// callers return at once: their next commands should go together as well, and not wait
// behind a single one.
func (d *directRoute) note(sent int, replied bool, began time.Time) {
	d.prompt = sent == 1 && replied && time.Since(began) < stallAfter
}

// examine makes the command of b, which is sent next, look for hooks if the last
// examination was long ago.
func (d *directRoute) examine(b *batch, now time.Time) {
	if now.Sub(d.examined) >= examineAfter {
		d.unhooked.Store(false)
		d.examined, d.client, b.unhooked = now, nil, &d.unhooked
	}
}

// clientFor returns the client to send with to the server of client: client itself if its
// own timeouts are short enough, otherwise a clone on the same connections, or nil if the
// direct path is closed.
func (d *directRoute) clientFor(client *goredis.Client, now time.Time) *goredis.Client {
	if client == nil || !d.prompt || !d.unhooked.Load() || now.Sub(d.examined) >= examineAfter {
		return nil
	}
	if d.client == nil {
		switch o := client.Options(); {
		case o.ContextTimeoutEnabled, min(o.ReadTimeout, o.WriteTimeout) > 0 && max(o.ReadTimeout, o.WriteTimeout) <= directTimeout:
			d.client = client
		case client.GetMaintNotificationsManager() == nil: // which may extend every timeout
			d.client = client.WithTimeout(directTimeout)
		}
	}
	return d.client
}

// sendDirect sends the command on its caller's goroutine if nothing else is being sent and
// the direct path is open, and reports whether the command is done. If it is not, the loop
// must send it. server is the client of its server, or nil if that must not be used
// directly.
func (s *sender) sendDirect(server *goredis.Client, c *Command) bool {
	began := time.Now()
	if deadline, ok := c.ctx.Deadline(); ok && deadline.Sub(began) < directTimeout {
		return false
	}
	s.mu.Lock()
	client := s.direct.clientFor(server, began)
	if client == nil || s.sending {
		s.mu.Unlock()
		return false
	}
	mine := s.own(began)
	s.mu.Unlock()
	b := c.batchOfOne()
	b.direct, b.latest = true, began.Add(directTimeout)
	replied := b.run(client, []*Command{c}) && (c.err == nil || !s.redirects)

	s.mu.Lock()
	defer s.mu.Unlock()
	s.direct.note(1, replied, began)
	if s.owner == mine {
		if s.sending = false; len(s.queue) > 0 {
			s.takeOver()
		}
	}
	if replied {
		return true
	}
	s.direct.unhooked.Store(false)
	s.direct.examined = time.Now()
	var timeout net.Error
	again := c.attempt.idempotent || errors.Is(c.err, errWouldWait) || errors.As(c.err, &timeout) && timeout.Timeout()
	if !MayBeApplied(c.err) { // the client may follow a redirection, or wait for a connection
		return false
	}
	c.attempt.unanswered = again
	return !again
}

// There is no way to ask whether a client has hooks. So every so often, a command that the
// loop sends alone examines its call stack when go-redis calls Done of its context:
// anything other than go-redis is a hook. If a later go-redis called Done elsewhere, or not
// at all, the loop would send all commands.

// process sends the command like any other command of the client.
//
//go:noinline
func process(client goredis.UniversalClient, b *batch, c *Command) error {
	return client.Process(b, &c.attempt)
}

// isUnhooked reports whether nothing but go-redis stands between process and the function
// that calls the caller of isUnhooked. If process is not on the stack, a hook has moved the
// command to another goroutine.
func isUnhooked() bool {
	const skip = 3 // runtime.Callers, isUnhooked and its caller
	var calls [64]uintptr
	frames := runtime.CallersFrames(calls[:runtime.Callers(skip, calls[:])])
	frame, more := frames.Next()
	for more && strings.HasPrefix(frame.Function, goRedis) {
		frame, more = frames.Next()
	}
	return frame.Function == processName
}

var (
	goRedis     = reflect.TypeFor[goredis.Client]().PkgPath()
	processName = runtime.FuncForPC(reflect.ValueOf(process).Pointer()).Name()
)
