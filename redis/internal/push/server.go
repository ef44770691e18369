package push

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

var (
	errSilent   = errors.New("no answer to PING")
	errObsolete = errors.New("the connection was given up")
)

// noRedial makes go-redis report a broken connection and leave it at that. A
// PubSub connects and subscribes again inside the very call that fails, and does
// not say when the server has confirmed; under a context that has ended it cannot.
// Reading and writing do not look at a context without a deadline. A dialer that
// ignores contexts, as go-redis's for TLS does, connects in vain: the connection
// is closed with the PubSub.
var noRedial = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// subscriber is a client of one server.
type subscriber interface {
	Subscribe(ctx context.Context, channels ...string) *goredis.PubSub
	Ping(ctx context.Context) *goredis.StatusCmd
}

// server is a server and the connection to it. The mutex of Push guards it.
type server struct {
	push     *Push
	addr     string
	client   subscriber
	status   serverStatus
	conn     *connection
	channels map[string]*channel // pending and confirmed ones
	backoff  backoff             // of the last connection that failed
}

type serverStatus int

const (
	stopped    serverStatus = iota // no channel is wanted, or those that are wait for the back-off
	connecting                     // channels that are added are asked for afterwards
	connected
)

func (s *server) confirmed() []*channel {
	return slices.DeleteFunc(slices.Collect(maps.Values(s.channels)), func(ch *channel) bool { return ch.status != confirmed })
}

// disconnect gives up a connection that works. If its channels are still wanted,
// they are subscribed on another one, perhaps at another server.
func (s *server) disconnect(wanted bool) {
	o := &outage{}
	for _, ch := range s.confirmed() {
		if wanted {
			ch.avoid = s.addr
			s.push.lose(ch, o)
			continue
		}
		ch.leave()
	}
	s.conn.end(errObsolete)
}

// run is the loop of a server while channels are wanted of it: connect, subscribe,
// receive until the connection ends. After a failure it leaves the pause to the
// channels: each looks for its server again afterwards, which may be another one.
func (s *server) run() {
	for wanted := true; wanted; {
		c := &connection{server: s}
		err := c.serve()
		s.push.mu.Lock()
		if c.ended == nil {
			c.ended = err
		}
		if !errors.Is(c.ended, errObsolete) {
			s.fail(c.ended)
		}
		if s.push.closed {
			for _, ch := range slices.Collect(maps.Values(s.channels)) {
				s.push.fail(ch, backoff{err: errClosed})
			}
		}
		wanted = len(s.channels) > 0
		s.conn, s.status = nil, stopped
		if wanted {
			s.status = connecting
		}
		s.push.unlock()
	}
}

// fail ends all subscriptions and attempts because the connection has failed.
func (s *server) fail(err error) {
	p, lost, o := s.push, s.confirmed(), &outage{}
	s.backoff.start(err, len(lost) > 0)
	p.reload()
	for _, ch := range lost {
		ch.backoff.err, ch.backoff.until = p.subscribeErr(ch, err), s.backoff.until
		p.lose(ch, o)
	}
	for _, ch := range slices.Collect(maps.Values(s.channels)) {
		p.fail(ch, s.backoff)
	}
}

// connection is used by one run of serve, and not made again.
type connection struct {
	*server
	pubsub  *goredis.PubSub
	sending sync.Mutex // keeps asked in the order of the requests

	// The mutex of Push guards these.
	asked []*channel  // each has no reply yet; nil is a PING
	alarm *time.Timer // for the reply to the first of them; if there is none, for a PING
	ended error       // the reason; nil until the connection has to be closed
}

// serve connects, subscribes to what is wanted, and receives until the connection
// ends.
func (c *connection) serve() error {
	p := c.push
	p.mu.Lock()
	client, first := c.client, slices.Collect(maps.Values(c.channels))[0]
	p.mu.Unlock()
	c.pubsub = client.Subscribe(context.Background()) // to nothing: it connects with the first channel
	defer c.pubsub.Close()
	if err := c.connect(client, first); err != nil {
		return err
	}
	p.mu.Lock()
	if p.closed { // Close came when there was no connection yet
		p.mu.Unlock()
		return errClosed
	}
	c.alarm = time.AfterFunc(p.confirmWithin, c.overdue)
	defer c.alarm.Stop()
	c.conn, c.status = c, connected
	channels := slices.Collect(maps.Values(c.channels)) // assign asks for those that are added from now on
	p.mu.Unlock()
	for _, ch := range channels {
		if ch != first {
			c.askFor(ch)
		}
	}
	for {
		word, err := c.receive()
		var refused goredis.Error
		if err != nil && !errors.As(err, &refused) {
			return err
		}
		c.take(word, err)
		if message, ok := word.(*goredis.Message); ok {
			p.onMessage(message.Payload)
		}
	}
}

// receive waits without a timeout: one that ends amid a message loses its
// beginning.
func (c *connection) receive() (word any, err error) {
	defer recovered(&err)
	return c.pubsub.ReceiveTimeout(noRedial, 0)
}

// connect connects, and asks for the first channel. A handshake that has begun is
// bounded by the client's timeouts alone, as go-redis does not look at the context
// then.
func (c *connection) connect(client subscriber, first *channel) (err error) {
	defer recovered(&err)
	ctx, cancel := context.WithTimeout(c.push.ctx, c.push.confirmWithin)
	defer cancel()
	if err := c.ask(ctx, first); err != nil {
		return err
	}
	// A client closes the connections that it knows, and it knows this one only
	// since the handshake: it may have been closed before, and would leave it open.
	// A closed client says so to any command; this one is not sent.
	if err := client.Ping(noRedial).Err(); errors.Is(err, goredis.ErrClosed) {
		return err
	}
	return nil
}

// askFor asks for ch, or for a PONG, on a connection that is made.
func (c *connection) askFor(ch *channel) {
	if err := c.ask(noRedial, ch); err != nil {
		c.push.mu.Lock()
		defer c.push.mu.Unlock()
		c.end(err)
	}
}

func (c *connection) ask(ctx context.Context, ch *channel) (err error) {
	defer recovered(&err)
	c.sending.Lock()
	defer c.sending.Unlock()
	c.push.mu.Lock()
	c.asked = append(c.asked, ch)
	if len(c.asked) == 1 {
		c.setAlarm()
	}
	c.push.mu.Unlock()
	switch {
	case ch == nil:
		return c.pubsub.Ping(ctx)
	case c.push.cluster != nil:
		return c.pubsub.SSubscribe(ctx, ch.name)
	default:
		return c.pubsub.Subscribe(ctx, ch.name)
	}
}

func (c *connection) setAlarm() {
	switch {
	case c.alarm == nil || c.ended != nil:
	case len(c.asked) == 0:
		c.alarm.Reset(c.push.quiet)
	case c.asked[0] == nil:
		c.alarm.Reset(c.push.patience)
	default:
		c.alarm.Reset(c.push.confirmWithin)
	}
}

// overdue is called by the alarm.
func (c *connection) overdue() {
	c.push.mu.Lock()
	defer c.push.mu.Unlock()
	switch {
	case c.ended != nil:
	case len(c.asked) == 0:
		c.push.running.Go(func() { c.askFor(nil) })
	case c.asked[0] == nil:
		c.end(errSilent)
	default:
		c.end(errUnconfirmed)
	}
}

// end makes serve return.
func (c *connection) end(err error) {
	if c.ended == nil {
		c.ended = err
		c.push.running.Go(func() { _ = c.pubsub.Close() }) // may wait for a request that is being sent
	}
}

// take takes a message, the reply to a request, or notice that a slot has moved.
func (c *connection) take(word any, refused error) {
	p := c.push
	p.mu.Lock()
	defer p.unlock()
	if c.ended != nil {
		return
	}
	notice, _ := word.(*goredis.Subscription)
	_, message := word.(*goredis.Message)
	switch {
	case message:
	case notice != nil && notice.Kind == "sunsubscribe":
		if ch := c.channels[notice.Channel]; ch != nil && ch.status == confirmed {
			ch.avoid = c.addr
			p.lose(ch, &outage{})
		}
	case len(c.asked) > 0:
		ch := c.asked[0]
		c.asked = c.asked[1:]
		switch {
		case ch == nil: // any answer to a PING will do
		case refused == nil:
			p.confirm(ch)
		default:
			p.reload()
			p.refuse(ch, refused)
		}
	}
	c.setAlarm()
	if len(c.channels) == 0 {
		c.end(errObsolete)
	}
}

// recovered makes an error of a panic of the client, or of one of its hooks.
// go-redis panics at some replies that no Redis gives, and on a goroutine of ours
// no caller could recover.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("redis: the client panicked: %v\n\n%s", r, debug.Stack())
	}
}
