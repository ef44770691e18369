// Package push receives what Redis servers publish to this process.
//
// On a single server that is one channel; on a Cluster one shard channel for each
// hash slot that was asked for, subscribed to at the slot's master. A channel for
// each lock was rejected: subscribing would cost each wait a round trip, and a
// server as many channels as there are locks.
//
// All channels of a server share one connection, and one goroutine that looks
// after it (see server). Connections live only while there are waiters.
package push

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/redis/internal/slot"
)

// confirmLimit is how long a subscription may take, including its connection.
const confirmLimit = time.Second

// closeLimit is how long Close waits. go-redis does not interrupt a handshake.
const closeLimit = 5 * time.Second

var (
	errRing        = errors.New("redis: SUBSCRIBE: a Ring has no pub/sub that reaches all of its servers; use a single server, Sentinel or Cluster client to be notified")
	errUnconfirmed = fmt.Errorf("no confirmation within %v", confirmLimit)
	errClosed      = errors.New("redis: the Backing is closed and receives no messages")
	errUnended     = fmt.Errorf("redis: Close: a subscription has not ended within %v: the client's timeouts let its handshake take longer", closeLimit)
	errElsewhere   = errors.New("subscribed on another server than the one that publishes")
)

// Push holds the subscriptions of one process. Its methods are safe for
// concurrent use.
type Push struct {
	client    goredis.UniversalClient
	cluster   cluster // client, if it is a Cluster's; otherwise nil
	id        string
	onMessage func(payload string)
	onGap     func()

	confirmWithin time.Duration
	quiet         time.Duration // how long a connection may be silent before a PING
	patience      time.Duration // how long the server may take to answer it
	idle          time.Duration // how long connections outlive the last waiter
	probeEvery    time.Duration
	recent        time.Duration // a channel that is unheard twice within this time is given up
	giveUp        time.Duration // for how long the first time; it doubles each time in a row
	longest       time.Duration // but is not longer

	mu       sync.Mutex
	waiters  int
	unused   *time.Timer // runs from when there are no waiters
	channels map[uint16]*channel
	servers  map[string]*server
	gap      bool // onGap is to be called after mu is unlocked
	closed   bool

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	running sync.WaitGroup // counts the goroutines
}

// cluster is what a Cluster's client can do that others cannot.
type cluster interface {
	MasterForKey(ctx context.Context, key string) (*goredis.Client, error)
	ReloadState(ctx context.Context)
}

// New returns a Push that has no connection yet. Its channels end with id, which
// no other process uses.
//
// onMessage is called with each message, one at a time for each server. What is
// published while no subscription is confirmed is lost: onGap is called when
// confirmed subscriptions break, and when they are confirmed again. Neither may
// block, and neither is called by a method of Push.
func New(client goredis.UniversalClient, id string, onMessage func(payload string), onGap func()) *Push {
	p := &Push{
		client: client, id: id, onMessage: onMessage, onGap: onGap,
		confirmWithin: confirmLimit, quiet: 10 * time.Second, patience: 3 * time.Second, idle: 10 * time.Second,
		probeEvery: time.Second, recent: 5 * time.Second, giveUp: time.Second / 2, longest: 30 * time.Second,
		channels: map[uint16]*channel{}, servers: map[string]*server{},
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.cluster, _ = client.(cluster)
	p.unused = time.AfterFunc(p.idle, p.closeUnused)
	return p
}

// Listen returns the channel on which messages for lock arrive, once the server
// has confirmed the subscription; it waits about a second for that. After a
// failure it fails at once, with the same error, until the next attempt is due.
func (p *Push) Listen(ctx context.Context, lock string) (string, error) {
	if _, ring := p.client.(*goredis.Ring); ring {
		return "", errRing
	}
	p.mu.Lock()
	ch := p.channelOf(lock)
	p.closeIfUnused()
	switch {
	case p.closed:
		p.mu.Unlock()
		return "", errClosed
	case ch.status == confirmed:
		p.mu.Unlock()
		return ch.name, nil
	case ch.backoff.running():
		defer p.mu.Unlock()
		return "", ch.backoff.err
	case ctx.Err() != nil:
		p.mu.Unlock()
		return "", p.subscribeErr(ch, ctx.Err())
	case ch.status == unsubscribed:
		p.subscribe(ch)
	}
	a := ch.attempt
	p.mu.Unlock()

	limit := time.NewTimer(time.Until(a.began.Add(p.confirmWithin)))
	defer limit.Stop()
	select {
	case <-a.done:
		if a.err != nil {
			return "", a.err
		}
		return ch.name, nil
	case <-limit.C:
		return "", p.subscribeErr(ch, errUnconfirmed)
	case <-ctx.Done():
		return "", p.subscribeErr(ch, ctx.Err())
	}
}

// Ready returns the channel on which messages for lock arrive, if its subscription
// is confirmed. It does no I/O.
func (p *Push) Ready(lock string) (channel string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ch := p.channels[p.slotOf(lock)]
	if ch == nil || ch.status != confirmed {
		return "", false
	}
	return ch.name, true
}

// AddWaiters counts the waiters. While there are any, subscriptions that broke are
// made again. Ten seconds after the last one all connections are closed.
func (p *Push) AddWaiters(delta int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiters += delta
	p.closeIfUnused()
}

// closeIfUnused closes all connections in a while, if there are no waiters now and
// none then.
func (p *Push) closeIfUnused() {
	if p.waiters == 0 && !p.closed {
		p.unused.Reset(p.idle)
	}
}

// Close ends all subscriptions for good, and waits for their goroutines. It calls onGap if
// there were any. It fails if they have not ended after 5 s.
func (p *Push) Close() error {
	p.mu.Lock()
	p.closed = true
	p.unused.Stop()
	p.cancel()
	for _, s := range p.servers {
		if s.status == connected {
			s.disconnect(true)
		}
	}
	p.unlock()
	ended := make(chan struct{})
	go func() {
		p.running.Wait()
		close(ended)
	}()
	limit := time.NewTimer(closeLimit)
	defer limit.Stop()
	select {
	case <-ended:
		return nil
	case <-limit.C:
		return errUnended
	}
}

func (p *Push) closeUnused() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.servers {
		if p.waiters == 0 && s.status == connected {
			s.disconnect(false)
		}
	}
}

// ShouldProbe reports whether the caller should ask the server that publishes for
// lock to count the receivers of its channel. It does so for the first question
// after each confirmation, and then once a second at most.
func (p *Push) ShouldProbe(lock string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	ch, now := p.channels[p.slotOf(lock)], time.Now()
	if ch == nil || ch.status != confirmed || now.Sub(ch.probed) < p.probeEvery {
		return false
	}
	ch.probed = now
	return true
}

// Unheard reports the result of a probe: the server that publishes for lock counts
// no subscriber. The connection then leads to another one, as after a failover
// that the old primary survived, and is replaced at once. If the new subscription
// is unheard as well, it may be that messages cannot reach this process, and Listen fails
// for a while: for half a second, since there may have been two failovers, and for longer
// each time that it happens again, up to half a minute.
//
// A probe that is older than the subscription means nothing: Unheard does nothing
// unless ShouldProbe has asked for one since the confirmation.
func (p *Push) Unheard(lock string) {
	p.mu.Lock()
	defer p.mu.Unlock() // and not unlock: onGap is left to the goroutine of the server
	ch, now := p.channels[p.slotOf(lock)], time.Now()
	if ch == nil || ch.status != confirmed || ch.probed.IsZero() {
		return
	}
	again := now.Sub(ch.unheard) < p.recent+ch.givenUp
	ch.unheard = now
	if again {
		ch.givenUp = min(max(2*ch.givenUp, p.giveUp), p.longest)
		ch.backoff = backoff{err: p.subscribeErr(ch, errElsewhere), until: now.Add(ch.givenUp)}
	} else {
		ch.givenUp = 0
	}
	ch.server.disconnect(true)
	if again {
		p.isolate(ch)
	}
}

// unlock unlocks mu and calls onGap if what was done under it calls for that.
func (p *Push) unlock() {
	gap := p.gap
	p.gap = false
	p.mu.Unlock()
	if gap {
		p.onGap()
	}
}

// slotOf is 0 for all locks where slots do not matter.
func (p *Push) slotOf(lock string) uint16 {
	if p.cluster == nil {
		return 0
	}
	return slot.Of(lock)
}

func (p *Push) channelOf(lock string) *channel {
	n := p.slotOf(lock)
	ch := p.channels[n]
	if ch == nil {
		ch = &channel{name: "push:" + p.id}
		if p.cluster != nil {
			ch.name = "push:{" + slot.Tag(n) + "}:" + p.id
		}
		p.channels[n] = ch
	}
	return ch
}

func (p *Push) subscribeErr(ch *channel, err error) error {
	command := "SUBSCRIBE"
	if p.cluster != nil {
		command = "SSUBSCRIBE"
	}
	return fmt.Errorf("redis: %s %s: %w", command, ch.name, err)
}
