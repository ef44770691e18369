package push

import (
	"context"
	"errors"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// channel is a channel that is wanted. The mutex of Push guards it.
type channel struct {
	name     string
	attempt  context.Context // the current attempt to subscribe; its cause is the outcome
	finish   context.CancelCauseFunc
	since    time.Time     // when it was confirmed; zero if it is not
	probed   time.Time     // the last probe since the confirmation; zero if none
	pause    time.Duration // the pause before the current attempt
	notifier *notifier     // the notifier of its server; nil while the server is not known
}

// cluster is the part of a Cluster's client that other clients lack.
type cluster interface {
	MasterForKey(ctx context.Context, key string) (*goredis.Client, error)
	ReloadState(ctx context.Context)
}

// want adds the channel of lock to the wanted ones, and returns it.
func (p *Push) want(lock string) *channel {
	p.unused.Reset(p.idle)
	name := p.nameOf(lock)
	ch := p.channels[name]
	if ch == nil {
		ch = &channel{name: name}
		ch.attempt, ch.finish = context.WithCancelCause(p.ctx)
		if p.ctx.Err() == nil {
			p.channels[name] = ch
			p.assign(0, ch)
		}
	}
	return ch
}

// again begins another attempt after channels have failed with err. The pause before it
// grows with each failure in a row; there is none after a subscription that had lasted.
func (p *Push) again(err error, channels ...*channel) {
	pause := longestPause
	for _, ch := range channels {
		ch.pause = min(max(2*ch.pause, firstPause), longestPause)
		if !ch.since.IsZero() {
			ch.attempt, ch.finish = context.WithCancelCause(p.ctx) //nolint:fatcontext // all are children of one
			if time.Since(ch.since) > longestPause {
				ch.pause = 0
			}
		}
		if ch.pause > 0 {
			ch.finish(err)
		}
		if errors.Is(err, goredis.ErrClosed) { // the client, for good
			delete(p.channels, ch.name)
		}
		pause, ch.since, ch.notifier = min(pause, ch.pause), time.Time{}, nil
	}
	if p.cluster != nil && len(channels) > 0 {
		p.cluster.ReloadState(context.Background())
		pause = max(pause, reloadPause)
	}
	p.assign(pause, channels...)
}

// assign adds channels to the notifiers of their servers, after a pause.
func (p *Push) assign(pause time.Duration, channels ...*channel) {
	time.AfterFunc(pause, func() {
		for _, ch := range channels {
			addr, client, err := p.locate(ch.name)
			p.mu.Lock()
			switch {
			case p.channels[ch.name] != ch: // no longer wanted
			case err != nil:
				p.again(err, ch)
			default:
				p.add(ch, addr, client)
			}
			p.mu.Unlock()
		}
	})
}

// locate returns the address and the client of the server that publishes to a channel.
func (p *Push) locate(channel string) (addr string, client goredis.UniversalClient, err error) {
	if p.cluster == nil {
		return "", p.client, nil
	}
	defer recovered(&err)
	master, err := p.cluster.MasterForKey(p.ctx, channel)
	if err == nil {
		addr, client = master.Options().Addr, master
	}
	return addr, client, err
}
