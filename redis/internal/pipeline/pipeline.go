// Package pipeline sends scripts to Redis servers. The scripts of concurrent callers are sent
// together, and each caller gets its answer in time, whatever the server and the client do.
//
// This is the path of a command: Run, in this file, chooses the sender for its server. The
// caller sends the command itself if it can (direct.go). Otherwise it leaves the command to
// the sender's loop (sender.go) and waits (command.go). Either way the command is sent as a
// batch (batch.go).
package pipeline

import (
	"context"
	"sync"
	"sync/atomic"

	goredis "github.com/redis/go-redis/v9"
)

// Pipeline sends scripts through a client. It is safe for concurrent use. Its goroutines
// end about 20 ms after the last command. Long-running scripts should have a pipeline of
// their own, so that no others wait behind them on its connections.
//
// The client itself may repeat idempotent scripts, and no others.
type Pipeline struct {
	client   goredis.UniversalClient
	cluster  cluster       // nil if the client is not one of a Cluster
	answered atomic.Bool   // a server has answered
	common   [2]*sender    // two, so that the server has work while the client reads replies
	rotation atomic.Uint32 // chooses between them when both are busy
	masters  sync.Map      // address to *sender, so that a frozen master does not hold up others
}

// cluster is the part of a Cluster's client that other clients lack.
type cluster interface {
	MasterForKey(ctx context.Context, key string) (*goredis.Client, error)
}

// New returns a pipeline through client.
func New(client goredis.UniversalClient) *Pipeline {
	c, _ := client.(cluster)
	return &Pipeline{client: client, cluster: c, common: [2]*sender{newSender(client, false), newSender(client, false)}}
}

// Reply is the reply of a script.
type Reply struct {
	Value string

	// Repeated reports that more than one copy of the command was written, and that a copy
	// without a reply may yet be applied.
	Repeated bool
}

// Run sends a command and waits for its reply, at most 0.15 s longer than ctx lasts,
// whatever the client's timeouts. The command must not be used afterwards. Errors are the
// client's own; see also [MayBeApplied].
//
// A command that gets no prompt reply may be sent a second time.
func (p *Pipeline) Run(ctx context.Context, c *Command) (Reply, error) {
	if err := ctx.Err(); err != nil {
		c.recycle()
		return Reply{}, err
	}
	c.ctx = ctx
	s, server := p.senderOf(c)
	if s.sendDirect(server, c) {
		return c.take()
	}
	reply, err := s.send(c)
	if err == nil && !p.answered.Load() {
		p.answered.Store(true)
	}
	return reply, err
}

// senderOf returns the sender for a command, and the client of its server if that may be
// used directly. A client of the user's own type must see every command, so it may not.
// Once the Cluster has answered at all, its client knows its masters without asking. What
// it knows may be out of date, but commands find their way from any sender.
func (p *Pipeline) senderOf(c *Command) (*sender, *goredis.Client) {
	if p.cluster == nil || !p.answered.Load() {
		single, _ := p.client.(*goredis.Client)
		return p.freer(), single
	}
	lock, _ := c.args[firstKey].(string)
	master, err := p.cluster.MasterForKey(context.Background(), lock)
	if err != nil {
		return p.freer(), nil
	}
	addr := master.Options().Addr
	found, ok := p.masters.Load(addr)
	if !ok {
		found, _ = p.masters.LoadOrStore(addr, newSender(p.client, true))
	}
	if _, plain := p.client.(*goredis.ClusterClient); !plain {
		master = nil
	}
	return found.(*sender), master
}

// freer returns the common sender that is idle, or, if both are busy, each in turn.
func (p *Pipeline) freer() *sender {
	first, second := p.common[0], p.common[1]
	if first.isBusy() && (!second.isBusy() || p.rotation.Add(1)%2 == 0) {
		return second
	}
	return first
}
