package pipeline

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// The direct path: a command that finds its lane free is sent by its own caller. The way
// through the loop and back costs as much as a script does, and wakes another thread.
//
// But go-redis cannot interrupt the read of a reply, and a caller whose context ends must
// not be held by one. So the direct path is for servers that reply at once, as they
// nearly always do. It is taken only after a prompt reply to one command, and only if the
// caller's deadline is further away than directTimeout, which is how long it waits for the
// reply. A command that takes longer is sent again through the loop, with the client's
// own timeouts, while the caller looks at its context.

const (
	// directTimeout is how long a reply is waited for on the direct path. go-redis counts
	// it by a clock that may be 50 ms behind, so it may be half of that.
	directTimeout = 100 * time.Millisecond
	// directPause is how long a lane keeps to the loop after the direct path has failed.
	directPause = time.Second
	// trustFor is how long a lane relies on what it has found out about its client.
	trustFor = time.Second
)

// directRoute is what a lane knows of its direct path.
type directRoute struct {
	prompt bool      // the last command was alone, and its reply came at once
	from   time.Time // not to be taken before

	unhooked atomic.Bool // the client had no hooks
	lookedAt time.Time   // when it was examined for them

	client *goredis.Client // for the direct path; nil if its reads cannot be bounded
	of     *goredis.Client // what client was derived from
	made   time.Time       // when
}

// note records how a round trip went. After a batch of several commands all their callers
// return at once: the next commands should go together as well, and not behind one of them.
func (d *directRoute) note(sent int, replied bool, took time.Duration) {
	d.prompt = sent == 1 && replied && took < stallAfter
}

// isOutdated reports whether the client must be examined for hooks again.
func (d *directRoute) isOutdated(now time.Time) bool { return now.Sub(d.lookedAt) >= trustFor }

// look makes c, which is sent next, examine the client for hooks.
func (d *directRoute) look(c *Command, now time.Time) {
	d.unhooked.Store(false)
	d.lookedAt, c.unhooked = now, &d.unhooked
}

// clientFor returns the client to send with: client itself if its own timeouts are short
// enough, or else a clone on the same connections; nil if that would bypass hooks.
func (d *directRoute) clientFor(client *goredis.Client, ofCluster bool, now time.Time) *goredis.Client {
	if d.of != client || now.Sub(d.made) >= trustFor {
		d.of, d.made = client, now
		switch o := client.Options(); {
		case o.ContextTimeoutEnabled, isShort(o.ReadTimeout) && isShort(o.WriteTimeout):
			d.client = client
		case client.GetMaintNotificationsManager() != nil: // which may extend every timeout
			d.client = nil
		default:
			d.client = client.WithTimeout(directTimeout)
		}
	}
	if (ofCluster || d.client != client) && (d.isOutdated(now) || !d.unhooked.Load()) {
		return nil
	}
	return d.client
}

func isShort(timeout time.Duration) bool { return timeout > 0 && timeout <= directTimeout }

// sendDirect sends the command on its caller's goroutine, if the lane is free and its direct
// path open, and reports whether the command is done. If not, the loop must send it.
// client is that of the server; nil if it must not be sent to directly.
func (l *lane) sendDirect(client *goredis.Client, c *Command) bool {
	if client == nil {
		return false
	}
	began := time.Now()
	if deadline, ok := c.ctx.Deadline(); ok && deadline.Sub(began) < directTimeout {
		return false
	}
	client, owner := l.beginDirect(client, began)
	if client == nil {
		return false
	}
	reply, err := c.process(client)
	if err != nil && goredis.HasErrorPrefix(err, "NOSCRIPT") {
		c.useEval()
		reply, err = c.process(client)
	}
	replied := err == nil || isReply(err) && !l.redirects
	l.endDirect(owner, began, replied)
	var timeout net.Error
	switch {
	case replied:
	case c.attempt.isWithHook():
		c.attempt.lost = true
		return false
	case !c.attempt.awaiting: // the client may follow a redirection, or wait for a connection
		return false
	case c.attempt.idempotent, errors.As(err, &timeout) && timeout.Timeout():
		c.attempt.lost = true
		return false
	}
	c.setOutcome(reply, err)
	return true
}

// beginDirect makes the caller the owner of the lane and returns what to send with, or nil.
func (l *lane) beginDirect(client *goredis.Client, now time.Time) (_ *goredis.Client, owner int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sending || !l.direct.prompt || now.Before(l.direct.from) {
		return nil, 0
	}
	if client = l.direct.clientFor(client, l.redirects, now); client != nil {
		l.owner++
		l.sending, l.since = true, now
	}
	return client, l.owner
}

// endDirect ends what beginDirect began at began. What has gathered meanwhile is the loop's.
func (l *lane) endDirect(owner int, began time.Time, replied bool) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.direct.note(1, replied, now.Sub(began))
	if !replied {
		l.direct.from = now.Add(directPause)
	}
	if l.owner != owner {
		return
	}
	l.sending = false
	if l.first != nil {
		l.takeOver()
	}
}

func (c *Command) process(client *goredis.Client) (string, error) {
	ctx := (*directContext)(c) // which needs no allocation
	c.prepare(ctx)
	err := func() (err error) {
		defer recovered(&err)
		return client.Process(ctx, &c.attempt)
	}()
	return c.attempt.outcome(err)
}

// directContext is the context of a command on the direct path, which must not wait.
//
// go-redis asks for its Done once, before it takes a connection that is free, and again
// only before it waits: for a connection, for a new one, or for its next attempt. By
// then this context has ended. (A new connection is made all the same, for later.) So
// there is nothing to be allocated, and no timer to be set.
type directContext Command

var (
	errWouldWait = fmt.Errorf("redis: no connection is free at once: %w", context.Canceled)

	never = make(chan struct{})
	ended = func() chan struct{} {
		c := make(chan struct{})
		close(c)
		return c
	}()
)

func (d *directContext) Done() <-chan struct{} {
	if d.attempt.connecting() {
		return never
	}
	return ended
}

func (d *directContext) Err() error {
	if d.attempt.asked.Load() > 1 {
		return errWouldWait
	}
	return d.ctx.Err()
}

// Deadline is for clients with ContextTimeoutEnabled.
func (d *directContext) Deadline() (time.Time, bool) {
	latest := time.Now().Add(directTimeout)
	if deadline, ok := d.ctx.Deadline(); ok && deadline.Before(latest) {
		return deadline, true
	}
	return latest, true
}

func (d *directContext) Value(key any) any { return d.ctx.Value(key) }
