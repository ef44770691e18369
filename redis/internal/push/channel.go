package push

import (
	"context"
	"errors"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// The pauses between attempts to subscribe double from the first to the longest.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 2 * time.Second
)

// A Cluster's client learns of a failover a little later than its servers. As long
// as it names the old master it is asked again.
const (
	reloadEvery = 20 * time.Millisecond
	reloadLimit = 400 * time.Millisecond
)

// channel is one channel and its subscription. The mutex of Push guards it.
type channel struct {
	name    string
	status  channelStatus
	server  *server       // where it is pending or confirmed; nil until that is known
	attempt *attempt      // the last one
	backoff backoff       // of the last failure, its own or its server's
	outage  *outage       // not nil if the subscription was lost and is not yet confirmed again
	probed  time.Time     // the last time; zero if not since the confirmation
	unheard time.Time     // the last time
	givenUp time.Duration // the last time that this happened twice in a row; otherwise 0
	avoid   string        // the address of the server that published to it before
}

type channelStatus int

const (
	unsubscribed channelStatus = iota
	pending                    // an attempt is under way
	confirmed
)

// attempt is one try to subscribe, shared by all calls of Listen meanwhile.
type attempt struct {
	began time.Time
	done  chan struct{}
	err   error // to be read after done
}

// outage is what one broken connection took away. It ends when the last of those
// channels is confirmed again, so that onGap is called once for all.
type outage struct{ missing int }

// backoff is the pause after a failure.
type backoff struct {
	err   error
	until time.Time
	pause time.Duration
}

func (b *backoff) running() bool { return time.Now().Before(b.until) }

// start makes the next attempt wait, the longer the more have failed in a row. If
// the last one had worked for a while, the next is due at once.
func (b *backoff) start(err error, worked bool) {
	now := time.Now()
	calm := now.Sub(b.until) > longestPause
	if calm {
		b.pause = 0
	}
	if !calm || !worked {
		b.pause = min(max(2*b.pause, firstPause), longestPause)
	}
	b.err, b.until = err, now.Add(b.pause)
}

// subscribe begins an attempt.
func (p *Push) subscribe(ch *channel) {
	ch.status, ch.attempt = pending, &attempt{began: time.Now(), done: make(chan struct{})}
	avoid := ch.avoid
	ch.avoid = ""
	p.running.Go(func() { p.assign(ch, avoid) })
}

// assign gives ch to its server. If that has no connection yet, assign goes on as
// the loop that looks after one.
func (p *Push) assign(ch *channel, avoid string) {
	addr, client, err := p.locate(ch.name, avoid)
	next := func() {}
	p.mu.Lock()
	s := p.servers[addr]
	if s == nil {
		s = &server{push: p, addr: addr, channels: map[string]*channel{}}
	}
	switch {
	case p.closed:
		p.fail(ch, backoff{err: errClosed})
	case err != nil:
		p.refuse(ch, err)
	case s.backoff.running():
		p.fail(ch, s.backoff)
	default:
		s.client, p.servers[addr] = client, s
		ch.server, s.channels[ch.name] = s, ch
		switch s.status {
		case stopped:
			s.status, next = connecting, s.run
		case connecting: // its loop asks for all channels in the end
		case connected:
			c := s.conn
			next = func() { c.askFor(ch) }
		}
	}
	p.unlock()
	next()
}

// locate returns the server that publishes to the channel. If that is the one to
// avoid, the client may be out of date: locate waits a while for another answer.
func (p *Push) locate(channel, avoid string) (addr string, client subscriber, err error) {
	defer recovered(&err)
	if p.cluster == nil {
		return "", p.client, nil
	}
	ctx, cancel := context.WithTimeout(p.ctx, p.confirmWithin)
	defer cancel()
	for limit := time.Now().Add(reloadLimit); ; time.Sleep(reloadEvery) {
		master, err := p.cluster.MasterForKey(ctx, channel)
		if err != nil {
			return "", nil, err
		}
		if addr := master.Options().Addr; addr != avoid || time.Now().After(limit) {
			return addr, master, nil
		}
		p.reload()
	}
}

// reload asks the client to learn the Cluster's topology again, and does not wait.
func (p *Push) reload() {
	if p.cluster != nil {
		p.cluster.ReloadState(context.Background())
	}
}

// confirm ends an attempt that has succeeded.
func (p *Push) confirm(ch *channel) {
	ch.status, ch.probed = confirmed, time.Time{}
	close(ch.attempt.done)
	p.endOutage(ch)
	p.closeIfUnused()
}

// refuse ends an attempt that failed for this channel alone.
func (p *Push) refuse(ch *channel, err error) {
	ch.backoff.start(err, false)
	p.isolate(ch)
	p.fail(ch, ch.backoff)
}

// fail ends an attempt that has failed.
func (p *Push) fail(ch *channel, b backoff) {
	ch.leave()
	ch.backoff.err, ch.backoff.until = p.subscribeErr(ch, b.err), b.until
	ch.attempt.err = ch.backoff.err
	close(ch.attempt.done)
	if !errors.Is(b.err, goredis.ErrClosed) {
		p.retry(ch)
	}
}

// lose ends a subscription that was confirmed.
func (p *Push) lose(ch *channel, o *outage) {
	ch.leave()
	ch.outage = o
	o.missing++
	p.gap = true
	p.retry(ch)
}

// retry begins another attempt after the back-off, if ch was lost and there are
// waiters then.
func (p *Push) retry(ch *channel) {
	if p.closed {
		return
	}
	time.AfterFunc(time.Until(ch.backoff.until), func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.closed && p.waiters > 0 && ch.outage != nil && ch.status == unsubscribed && !ch.backoff.running() {
			p.subscribe(ch)
		}
	})
}

func (p *Push) endOutage(ch *channel) {
	if o := ch.outage; o != nil {
		ch.outage = nil
		o.missing--
		p.gap = p.gap || o.missing == 0
	}
}

// isolate gives ch an outage of its own, so that it does not prolong that of others.
func (p *Push) isolate(ch *channel) {
	if ch.outage != nil {
		p.endOutage(ch)
		ch.outage = &outage{missing: 1}
	}
}

func (ch *channel) leave() {
	ch.status = unsubscribed
	if ch.server != nil {
		delete(ch.server.channels, ch.name)
		ch.server = nil
	}
}
