// Package push receives what Redis servers publish to this process.
//
// On a single server that is one channel; on a Cluster it is one shard channel for each
// hash slot that was asked for, at the slot's master. A channel for each lock was rejected:
// each wait would cost a round trip, and a server would have as many channels as locks.
// There is one notifier for each server, which subscribes its connection to the wanted
// channels.
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

const (
	confirmLimit = time.Second            // how long a subscription may take, including its connection
	firstPause   = 100 * time.Millisecond // the pause between attempts; it doubles with each failure in a row
	longestPause = 2 * time.Second        // its upper bound
	reloadPause  = 250 * time.Millisecond // a Cluster's client loads the topology every 200 ms at most
	closeLimit   = 5 * time.Second        // how long Close waits: go-redis does not interrupt a handshake
)

var (
	errConfirmed   = errors.New("confirmed") // the outcome of a successful attempt
	errUnconfirmed = fmt.Errorf("no confirmation within %v: if the server or a proxy has no pub/sub, use redis.WithoutPush", confirmLimit)
	errElsewhere   = errors.New("subscribed to a server other than the one that publishes")
	errSilent      = errors.New("the server does not answer")
	errBroken      = errors.New("the connection broke")
	errUnused      = errors.New("the subscription ended because it was not used, and is being renewed")
	errRing        = errors.New("no pub/sub of a Ring reaches all its servers, so waiters poll: use a client of a single server, a Sentinel group or a Cluster, or redis.WithoutPush")
	errClosed      = errors.New("the Backing is closed, so waiters poll")
	errUnended     = fmt.Errorf("redis: Close: a subscription has not ended within %v, because its handshake takes longer: give the client shorter timeouts", closeLimit)
)

// Push holds the subscriptions of one process. Its methods are safe for concurrent use.
type Push struct {
	client        goredis.UniversalClient
	cluster       cluster // client, if it is a Cluster's; otherwise nil
	command       string  // the command that subscribes
	id            string  // ends the names of the channels
	onMessage     func(payload string)
	onGap         func()
	confirmWithin time.Duration
	quiet         time.Duration // how long a server may be silent before a PING, and again after it
	idle          time.Duration // how long subscriptions outlast their last use
	probeEvery    time.Duration
	mu            sync.Mutex // guards the rest; want, again and add are called with it locked
	waiters       int
	unused        *time.Timer
	channels      map[string]*channel  // the wanted ones, by name
	notifiers     map[string]*notifier // by the server's address
	running       sync.WaitGroup       // the goroutines of the notifiers
	ctx           context.Context      // ends when push is disabled; its cause is the reason
	disable       context.CancelCauseFunc
}

// New returns a Push that has no connection yet. The names of its channels end with id,
// which no other process uses.
//
// onMessage is called with each message. Messages that are published while no subscription
// is confirmed are lost, so onGap is called when a connection or a subscription ends, and
// when a connection has its first confirmation. Neither may block, and no method of Push
// calls either.
func New(client goredis.UniversalClient, id string, onMessage func(payload string), onGap func()) *Push {
	p := &Push{
		client: client, command: "SUBSCRIBE", id: id, onMessage: onMessage, onGap: onGap,
		confirmWithin: confirmLimit, quiet: 6500 * time.Millisecond, idle: 10 * time.Second, probeEvery: time.Second,
		channels: map[string]*channel{}, notifiers: map[string]*notifier{},
	}
	p.ctx, p.disable = context.WithCancelCause(context.Background())
	switch client := client.(type) {
	case cluster:
		p.cluster, p.command = client, "SSUBSCRIBE"
	case *goredis.Ring:
		p.disable(errRing)
	}
	p.unused = time.AfterFunc(p.idle, p.closeUnused)
	return p
}

// Prepare begins to subscribe to the messages for lock, and does not wait.
func (p *Push) Prepare(lock string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.want(lock)
}

// Listen returns the channel on which messages for lock arrive, once the server has
// confirmed the subscription, for which it waits a second. After a failure it fails at
// once, with the reason, until the next attempt begins.
func (p *Push) Listen(ctx context.Context, lock string) (string, error) {
	p.mu.Lock()
	ch := p.want(lock)
	attempt, finish := ch.attempt, ch.finish
	p.mu.Unlock()
	select {
	case <-attempt.Done():
	case <-time.After(p.confirmWithin): // a handshake may take longer, but holds up no other call
		finish(errUnconfirmed)
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if err := context.Cause(attempt); !errors.Is(err, errConfirmed) {
		return "", fmt.Errorf("redis: %s %s: %w", p.command, ch.name, err)
	}
	return ch.name, nil
}

// Ready is Listen without waiting: it reports whether the subscription is confirmed.
func (p *Push) Ready(lock string) (channel string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ch := p.confirmed(lock); ch != nil {
		p.unused.Reset(p.idle)
		return ch.name, true
	}
	return "", false
}

// confirmed returns the channel of lock, or nil if it is not confirmed.
func (p *Push) confirmed(lock string) *channel {
	if ch := p.channels[p.nameOf(lock)]; ch != nil && !ch.since.IsZero() {
		return ch
	}
	return nil
}

// AddWaiters changes the number of waiters. When there are none, all subscriptions end ten
// seconds after their last use.
func (p *Push) AddWaiters(delta int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiters += delta
	p.unused.Reset(p.idle)
}

func (p *Push) closeUnused() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiters == 0 {
		clear(p.channels)
		for _, n := range p.notifiers {
			n.end(errUnused)
		}
	}
}

// Close ends all subscriptions for good, with onGap if there were any, and waits for their
// goroutines. It fails if they have not ended after 5 s.
func (p *Push) Close() error {
	p.mu.Lock()
	p.disable(errClosed)
	clear(p.channels)
	p.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		p.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-time.After(closeLimit):
		return errUnended
	}
}

// ShouldProbe reports whether the caller should ask the server that publishes for lock to
// count the receivers of its channel: after each confirmation, and then at most once a
// second.
func (p *Push) ShouldProbe(lock string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	ch := p.confirmed(lock)
	due := ch != nil && time.Since(ch.probed) >= p.probeEvery
	if due {
		ch.probed = time.Now()
	}
	return due
}

// Unsubscribed records the result of a probe: the server that publishes for lock counts no
// subscriber. The connection leads to another server, as after a failover that the old
// primary survived, and is replaced at once. If the server soon counts none again, messages
// may be unable to reach this process: Listen fails until a later attempt. A probe from
// before the last confirmation means nothing.
func (p *Push) Unsubscribed(lock string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ch := p.confirmed(lock); ch != nil && !ch.probed.IsZero() {
		ch.notifier.end(errElsewhere)
	}
}

func (p *Push) nameOf(lock string) string {
	if p.cluster == nil {
		return "push:" + p.id
	}
	return "push:{" + slot.Tag(slot.Of(lock)) + "}:" + p.id
}
