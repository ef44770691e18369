package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// channel is how a hub stands with one channel. The hub's mutex guards it.
type channel struct {
	name      string
	on        *subscription // that it was asked for on, nil if none
	confirmed bool
	last      *attempt
	seeking   bool    // the last attempt still looks for the server
	outage    *outage // in which it was lost, nil unless it is
}

// attempt is one try to subscribe, shared by all who listen meanwhile.
type attempt struct {
	done  chan struct{}
	limit *time.Timer
	over  bool
	err   error
	again time.Time // until then a failure stands, and is not tried again
}

// outage is what one broken connection took away.
type outage struct{ missing int }

// attempt is the one under way, the failed one that still stands, or a new one.
func (h *hub) attempt(ch *channel) *attempt {
	if a := ch.last; a != nil && (!a.over || ch.seeking || time.Now().Before(a.again)) {
		return a
	}
	a := &attempt{done: make(chan struct{})}
	ch.last, ch.seeking = a, true
	a.limit = time.AfterFunc(confirmLimit, func() { h.expire(ch, a) })
	go h.try(ch, a)
	return a
}

// try asks the server of ch for the subscription. If it has to connect for
// that, it goes on as the goroutine that reads from the connection.
func (h *hub) try(ch *channel, a *attempt) {
	ctx, cancel := context.WithTimeout(context.Background(), confirmLimit)
	defer cancel()
	addr, server, err := h.server(ctx, ch)

	h.mu.Lock()
	ch.seeking = false
	if a.over {
		h.mu.Unlock()
		return
	}
	n := h.nodes[addr]
	if n == nil {
		n = &node{}
		h.nodes[addr] = n
	}
	switch {
	case time.Now().Before(n.until):
		err = n.err
	case n.sub != nil && n.sub.over:
		// It still dials. Another one beside it would be a leak if that never ends.
		err = errUnconfirmed
		n.failed(err)
	case err != nil:
		n.failed(err)
	}
	if err != nil {
		h.decide(ch, err, n.until)
		h.mu.Unlock()
		return
	}
	s, first := n.sub, n.sub == nil
	if first {
		s = newSubscription(h, n, server)
	}
	ch.on, s.channels[ch.name] = s, ch
	h.mu.Unlock()

	if err := s.ask(ctx, ch); err != nil {
		s.end(err)
	}
	if first {
		s.read()
	}
}

// server finds the one that publishes to ch, and a name for it.
func (h *hub) server(ctx context.Context, ch *channel) (string, subscriber, error) {
	if h.shards == nil {
		return "", h.client, nil
	}
	master, err := h.shards.MasterForKey(ctx, ch.name)
	if err != nil {
		return "", nil, err
	}
	return master.Options().Addr, master, nil
}

// expire ends an attempt that took too long, and with it the connection, from
// which nothing comes.
func (h *hub) expire(ch *channel, a *attempt) {
	finish := func() {}
	h.mu.Lock()
	switch {
	case a.over:
	case ch.on != nil:
		finish = ch.on.cut(errUnconfirmed)
	default:
		h.decide(ch, errUnconfirmed, time.Now().Add(firstPause))
	}
	h.mu.Unlock()
	finish()
}

// decide ends the attempt that is under way. It tells whether that was the last
// thing missing since an outage.
func (h *hub) decide(ch *channel, err error, again time.Time) (healed bool) {
	a := ch.last
	a.limit.Stop()
	a.over, a.again = true, again
	defer close(a.done)
	if err != nil {
		a.err, ch.on = h.blame(ch, err), nil
		if ch.outage != nil && !errors.Is(err, goredis.ErrClosed) {
			time.AfterFunc(time.Until(again), func() { h.restore(ch) })
		}
		return false
	}
	ch.confirmed = true
	if o := ch.outage; o != nil {
		ch.outage = nil
		o.missing--
		return o.missing == 0
	}
	return false
}

// lose notes that channels are not heard any more, and sees that they are again.
func (h *hub) lose(channels []*channel) {
	o := &outage{missing: len(channels)}
	for _, ch := range channels {
		ch.on, ch.confirmed, ch.outage = nil, false, o
		if h.wanted > 0 {
			h.attempt(ch)
		}
	}
}

func (h *hub) restore(ch *channel) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.wanted > 0 && ch.outage != nil {
		h.attempt(ch)
	}
}

// reload has the client look which servers there are: ours is not what it was.
func (h *hub) reload() {
	if h.shards != nil {
		h.shards.ReloadState(context.Background())
	}
}

func (h *hub) blame(ch *channel, err error) error {
	command := "SUBSCRIBE"
	if h.shards != nil {
		command = "SSUBSCRIBE"
	}
	return fmt.Errorf("redis: %s %s: %w", command, ch.name, err)
}
