package push

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"slices"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// noRedial makes go-redis report a broken connection instead of replacing it. A PubSub
// connects and subscribes again inside the very call that fails, and does not say when the
// server has confirmed; under a context that has ended it cannot. Reading and writing
// ignore a context without a deadline. A dialer that ignores contexts, as go-redis's for
// TLS does, connects in vain: the connection is closed with the PubSub.
var noRedial, endAtOnce = context.WithCancel(context.Background())

func init() { endAtOnce() }

// notifier is the connection to one server.
type notifier struct {
	push      *Push
	addr      string
	pubsub    *goredis.PubSub
	connected bool            // guarded by the mutex of Push
	worked    bool            // a subscription was confirmed
	ctx       context.Context // ends with the connection; its cause is the reason
	end       context.CancelCauseFunc
}

// add adds ch to the notifier of a server.
func (p *Push) add(ch *channel, addr string, client goredis.UniversalClient) {
	n := p.notifiers[addr]
	if n == nil {
		n = &notifier{push: p, addr: addr}
		n.ctx, n.end = context.WithCancelCause(p.ctx)
		p.notifiers[addr] = n
		p.running.Go(func() { n.run(client) })
	}
	if ch.notifier = n; ch.attempt.Err() != nil {
		ch.attempt, ch.finish = context.WithCancelCause(p.ctx)
	}
	if n.connected {
		p.running.Go(func() { n.ask(ch) })
	}
}

// run connects, subscribes to the wanted channels, and receives until an error. The
// channels are then assigned again after a pause: on a Cluster, perhaps to other servers.
func (n *notifier) run(client goredis.UniversalClient) {
	p := n.push
	n.pubsub = client.Subscribe(context.Background()) // to nothing, and not connected yet
	context.AfterFunc(n.ctx, func() { _ = n.pubsub.Close() })
	err := n.serve(client)
	if errors.Is(err, context.Canceled) { // by noRedial: go-redis would have made another connection
		err = errBroken
	}
	n.end(err)
	_ = n.pubsub.Close() // also waits for the Close above
	p.mu.Lock()
	delete(p.notifiers, n.addr)
	p.again(context.Cause(n.ctx), n.channels()...)
	p.mu.Unlock()
	if n.worked {
		p.onGap()
	}
}

// connect connects, with a PING. A handshake that has begun is bounded by the client's
// timeouts alone, because go-redis then ignores the context.
func (n *notifier) connect(client goredis.UniversalClient) (err error) {
	defer recovered(&err)
	err = n.pubsub.Ping(n.ctx)
	// A client closes the connections that it knows, and it knows this one only since the
	// handshake. If the client was closed before, the connection would stay open. A closed
	// client refuses any command; this PING is not sent.
	if closed := client.Ping(noRedial).Err(); errors.Is(closed, goredis.ErrClosed) {
		return closed
	}
	return err
}

func (n *notifier) serve(client goredis.UniversalClient) error {
	if err := n.connect(client); err != nil {
		return err
	}
	n.push.mu.Lock()
	n.connected = true // from now on, add subscribes as well
	channels := n.channels()
	n.push.mu.Unlock()
	for _, ch := range channels {
		n.ask(ch)
	}
	word, err := n.receive(true)
	for ; err == nil; word, err = n.receive(false) {
		n.take(word)
	}
	return err
}

// ask sends the command that subscribes to ch. If it cannot be written, go-redis closes the
// connection, which receive notices.
func (n *notifier) ask(ch *channel) {
	defer recovered(new(error))
	subscribe := n.pubsub.Subscribe
	if n.push.cluster != nil {
		subscribe = n.pubsub.SSubscribe
	}
	_ = subscribe(noRedial, ch.name)
}

// receive waits for a reply or a message, and sends a PING if none comes. A timeout in the
// middle of a message loses its beginning, and the rest is misread; that does no harm,
// because a message is only a hint. The first reply is the one to the PING of connect.
func (n *notifier) receive(first bool) (word any, err error) {
	defer recovered(&err)
	for pinged := first; ; {
		word, err = n.pubsub.ReceiveTimeout(noRedial, n.push.quiet)
		var timeout net.Error
		var refused goredis.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			if pinged {
				return nil, errSilent
			}
			pinged = true
			_ = n.pubsub.Ping(noRedial)
		case pinged && errors.As(err, &refused) && (first || !n.awaits()): // a sign of life as well
			return nil, nil
		default:
			return word, err
		}
	}
}

// take handles a message, a confirmation, or the end of a subscription whose slot has
// moved.
func (n *notifier) take(word any) {
	p, gap := n.push, false
	switch word := word.(type) {
	case *goredis.Message:
		p.onMessage(word.Payload)
	case *goredis.Subscription:
		p.mu.Lock()
		ch := p.channels[word.Channel]
		switch {
		case ch == nil || ch.notifier != n: // no longer wanted
		case word.Kind != "subscribe" && word.Kind != "ssubscribe": // the subscription has ended
			gap = true
			p.again(errElsewhere, ch)
		default:
			if !n.worked { // before anyone can rely on the subscription, or new waiters would be woken too
				n.worked = true
				p.mu.Unlock()
				p.onGap()
				p.mu.Lock()
			}
			if ch.attempt.Err() != nil { // it took too long for the callers of Listen
				ch.attempt, ch.finish = context.WithCancelCause(p.ctx)
			}
			ch.finish(errConfirmed)
			ch.since, ch.probed = time.Now(), time.Time{}
		}
		p.mu.Unlock()
	}
	if gap {
		p.onGap()
	}
}

// awaits reports whether a subscription is still unconfirmed: an error may then be its
// refusal.
func (n *notifier) awaits() bool {
	n.push.mu.Lock()
	defer n.push.mu.Unlock()
	return slices.ContainsFunc(n.channels(), func(ch *channel) bool { return ch.since.IsZero() })
}

// channels returns the wanted channels of this server. It is called with the mutex locked.
func (n *notifier) channels() (wanted []*channel) {
	for _, ch := range n.push.channels {
		if ch.notifier == n {
			wanted = append(wanted, ch)
		}
	}
	return wanted
}

// recovered turns a panic of the client, or of one of its hooks, into an error. go-redis
// panics on some replies that no Redis gives, and no caller could recover a panic on this
// goroutine.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("redis: the client panicked: %v\n\n%s", r, debug.Stack())
	}
}
