package redis

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

var errSilent = errors.New("no answer to PING")

// noRedial makes go-redis report a broken connection and leave it at that. A
// PubSub connects and subscribes anew inside the very call that fails, and does not
// say when the server has confirmed; under a context that has ended it cannot.
// Reading and writing do not look at a context without a deadline. A dialer that
// ignores contexts, as go-redis's for TLS does, connects in vain: what it brings
// is closed with the rest.
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

// subscription is one connection that channels are heard on. It is made for one
// life: when it breaks, the hub makes another. One goroutine reads from it.
type subscription struct {
	hub    *hub
	node   *node
	server subscriber
	pubsub *goredis.PubSub

	sending sync.Mutex  // asked is in the order in which the requests are sent
	silence *time.Timer // runs from the first word on
	pinged  atomic.Bool // since the last word

	// The hub's mutex guards these.
	channels  map[string]*channel
	asked     []*channel // each has no reply yet; nil is a PING
	connected bool
	over      bool
}

func newSubscription(h *hub, n *node, server subscriber) *subscription {
	s := &subscription{
		hub: h, node: n, server: server,
		pubsub:   server.Subscribe(context.Background()), // to nothing: connects with the first channel
		channels: map[string]*channel{},
	}
	s.silence = time.AfterFunc(math.MaxInt64, s.checkLife)
	n.sub = s
	return s
}

// ask sends the request for ch; the first connects, for as long as ctx lets it.
//
// A handshake that has begun is bounded by the client's timeouts alone, as
// go-redis does not look at the context then.
func (s *subscription) ask(ctx context.Context, ch *channel) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	connected, over := s.expect(ch)
	if over {
		return nil
	}
	if connected {
		ctx = noRedial
	}
	subscribe := s.pubsub.Subscribe
	if s.hub.shards != nil {
		subscribe = s.pubsub.SSubscribe
	}
	if err := subscribe(ctx, ch.name); err != nil {
		return err
	}
	if connected {
		return nil
	}
	// A client closes the connections that it knows, and it knows this one only
	// since the handshake: it may have been closed before, and would leave it open.
	// A closed client says so to any command; this one is not sent.
	if err := s.server.Ping(noRedial).Err(); errors.Is(err, goredis.ErrClosed) {
		return err
	}
	s.hub.mu.Lock()
	s.connected = true
	s.hub.mu.Unlock()
	return nil
}

// expect notes a request that is about to be sent.
func (s *subscription) expect(ch *channel) (connected, over bool) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.asked = append(s.asked, ch)
	return s.connected, s.over
}

// read hears what the server says until the connection ends.
func (s *subscription) read() {
	for {
		word, err := s.hear()
		var refused goredis.Error
		if err != nil && !errors.As(err, &refused) {
			s.end(err)
			break
		}
		s.pinged.Store(false)
		s.silence.Reset(s.hub.quiet)
		if message, ok := word.(*goredis.Message); ok {
			s.hub.heard(message.Payload)
			continue
		}
		s.take(word, err)
	}
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if s.node.sub == s {
		s.node.sub = nil
	}
}

// hear waits for the next word, without a timeout: one that ends amid a message
// loses its beginning.
func (s *subscription) hear() (word any, err error) {
	defer recovered(&err)
	return s.pubsub.ReceiveTimeout(noRedial, 0)
}

// take takes the reply to a request, or the news that a channel's slot has moved.
func (s *subscription) take(word any, refused error) {
	h := s.hub
	told, finish := false, func() {}
	h.mu.Lock()
	switch news, _ := word.(*goredis.Subscription); {
	case s.over:
	case news != nil && news.Kind == "sunsubscribe":
		if ch := s.channels[news.Channel]; ch != nil && ch.confirmed {
			delete(s.channels, ch.name)
			h.reload()
			h.lose([]*channel{ch})
			told = true
		}
	case len(s.asked) > 0:
		ch := s.asked[0]
		s.asked = s.asked[1:]
		switch {
		case ch == nil: // any answer to a PING will do
		case refused == nil:
			told = h.decide(ch, nil, time.Time{})
		default:
			delete(s.channels, ch.name)
			h.reload()
			s.node.failed(refused)
			h.decide(ch, refused, s.node.until)
			if len(s.channels) == 0 {
				finish = s.cut(refused)
			}
		}
	}
	h.mu.Unlock()
	finish()
	if told {
		h.gap()
	}
}

// checkLife is called when the connection has been silent.
func (s *subscription) checkLife() {
	if s.pinged.Swap(true) {
		s.end(errSilent)
		return
	}
	s.silence.Reset(s.hub.patience)
	s.sending.Lock()
	defer s.sending.Unlock()
	if _, over := s.expect(nil); over {
		return
	}
	if err := s.pubsub.Ping(noRedial); err != nil {
		s.end(err)
	}
}

func (s *subscription) end(err error) {
	s.hub.mu.Lock()
	finish := s.cut(err)
	s.hub.mu.Unlock()
	finish()
}

// cut gives the subscription up. What needs time, or the hub's mutex, is left to
// finish.
func (s *subscription) cut(err error) (finish func()) {
	if s.over {
		return func() {}
	}
	s.over = true
	if s.connected {
		s.node.sub = nil
	}
	var lost, unanswered []*channel
	for _, ch := range s.channels {
		if ch.confirmed {
			lost = append(lost, ch)
		} else {
			unanswered = append(unanswered, ch)
		}
	}
	h := s.hub
	switch {
	case errors.Is(err, errUnused):
		for _, ch := range lost {
			ch.on, ch.confirmed = nil, false
		}
		lost = nil
	case len(lost) > 0:
		s.node.broke(err)
		h.reload()
	default:
		s.node.failed(err)
		h.reload()
	}
	for _, ch := range unanswered {
		h.decide(ch, err, s.node.until)
	}
	h.lose(lost)
	return func() {
		s.silence.Stop()
		if len(lost) > 0 {
			h.gap()
		}
		_ = s.pubsub.Close() // waits for a dial under way
	}
}
