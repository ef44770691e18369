package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

const (
	// confirmLimit is how long a subscription may take, with its connection.
	confirmLimit = time.Second
	// The pauses between attempts to subscribe double from the first to the longest.
	firstPause   = 100 * time.Millisecond
	longestPause = 2 * time.Second
)

var (
	errUnconfirmed = fmt.Errorf("no confirmation within %v", confirmLimit)
	errUnused      = errors.New("closed, because nobody waits")
	errRing        = errors.New("redis: SUBSCRIBE: a Ring has no pub/sub that reaches all of its servers; use a single server, Sentinel or Cluster client to be told")
)

// hub hears what is published for one Backing: on a single server through one
// channel, on a Cluster through one shard channel for each slot that was asked
// for. All channels of a server share one connection, which lives only while
// somebody waits: so there is nothing to close. All methods are safe for
// concurrent use.
//
// What is published while no subscription is confirmed is lost. gap tells of
// that: it is called when a confirmed subscription broke, and when all that
// broke with it is confirmed anew.
//
// A channel for each lock was rejected: subscribing would cost each wait a round
// trip, and a server as many channels as there are locks.
type hub struct {
	client goredis.UniversalClient
	shards shards // client, if it is a Cluster's
	id     string
	heard  func(payload string)
	gap    func()

	quiet    time.Duration // a connection that said nothing for so long is asked for a sign of life
	patience time.Duration // and has so long to give it
	idle     time.Duration // connections are closed so long after the last waiter

	mu       sync.Mutex
	wanted   int
	unused   *time.Timer // runs from when nobody waits, and does nothing if somebody does by its end
	channels map[uint16]*channel
	nodes    map[string]*node
}

// shards is what a Cluster's client can do that others cannot.
type shards interface {
	MasterForKey(ctx context.Context, key string) (*goredis.Client, error)
	ReloadState(ctx context.Context)
}

func newHub(client goredis.UniversalClient, id string, heard func(payload string), gap func()) *hub {
	h := &hub{
		client: client, id: id, heard: heard, gap: gap,
		quiet: 10 * time.Second, patience: 3 * time.Second, idle: 10 * time.Second,
		channels: map[uint16]*channel{}, nodes: map[string]*node{},
	}
	h.shards, _ = client.(shards)
	return h
}

// listen returns the channel on which the news of lock are heard, once the server has
// confirmed the subscription. After a failure it fails with the same error, at
// once, until the next attempt is due.
func (h *hub) listen(ctx context.Context, lock string) (string, error) {
	if _, ring := h.client.(*goredis.Ring); ring {
		return "", errRing
	}
	h.mu.Lock()
	h.rest()
	ch := h.channelOf(lock)
	if ch.confirmed {
		h.mu.Unlock()
		return ch.name, nil
	}
	if err := ctx.Err(); err != nil {
		h.mu.Unlock()
		return "", h.blame(ch, err)
	}
	a := h.attempt(ch)
	h.mu.Unlock()
	select {
	case <-a.done:
	case <-ctx.Done():
		return "", h.blame(ch, ctx.Err())
	}
	if a.err != nil {
		return "", a.err
	}
	return ch.name, nil
}

// ready tells whether news of lock would be heard now. It does no I/O.
func (h *hub) ready(lock string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	ch := h.channels[h.slotOf(lock)]
	return ch != nil && ch.confirmed
}

// want counts the waiters. While there are any, subscriptions that broke are
// made again.
func (h *hub) want(delta int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wanted += delta
	h.rest()
}

// rest starts counting towards the end of all connections if nobody waits.
func (h *hub) rest() {
	switch {
	case h.wanted > 0:
	case h.unused == nil:
		h.unused = time.AfterFunc(h.idle, h.closeUnused)
	default:
		h.unused.Reset(h.idle)
	}
}

func (h *hub) closeUnused() {
	var closings []func()
	h.mu.Lock()
	for _, n := range h.nodes {
		if h.wanted == 0 && n.sub != nil {
			closings = append(closings, n.sub.cut(errUnused))
		}
	}
	h.mu.Unlock()
	for _, finish := range closings {
		finish()
	}
}

// slotOf is 0 for all locks where slots do not matter.
func (h *hub) slotOf(lock string) uint16 {
	if h.shards == nil {
		return 0
	}
	return slot(lock)
}

func (h *hub) channelOf(lock string) *channel {
	s := h.slotOf(lock)
	ch := h.channels[s]
	if ch == nil {
		ch = &channel{name: "push:" + h.id}
		if h.shards != nil {
			ch.name = "push:{" + tagOf(s) + "}:" + h.id
		}
		h.channels[s] = ch
	}
	return ch
}

// node is a server, and how connecting to it went of late. The hub's mutex guards it.
type node struct {
	sub   *subscription // nil if there is none, and none is being dialed
	err   error         // the last failure
	until time.Time     // no attempt is made before
	pause time.Duration
}

// failed makes the next attempt wait, the longer the more have failed.
func (n *node) failed(err error) {
	now := time.Now()
	if now.Before(n.until) {
		return // several channels had part in one failure
	}
	if now.Sub(n.until) > longestPause {
		n.pause = 0
	}
	n.pause = min(max(2*n.pause, firstPause), longestPause)
	n.err, n.until = err, now.Add(n.pause)
}

// broke is failed for what had worked: if it had for a while, nothing speaks
// against trying again at once.
func (n *node) broke(err error) {
	now := time.Now()
	if now.Sub(n.until) <= longestPause {
		n.failed(err)
		return
	}
	n.err, n.until, n.pause = err, now, 0
}
