package push

import (
	"context"
	"errors"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// channel is one that is wanted. The mutex of Push guards it.
type channel struct {
	name     string
	wanted   time.Time       // for the first time
	attempt  context.Context // to subscribe; ends with the outcome as its cause
	finish   context.CancelCauseFunc
	since    time.Time     // the confirmation; zero if it is not confirmed
	probed   time.Time     // zero if not since the confirmation
	pause    time.Duration // before the attempt
	notifier *notifier     // of its server; nil while that is not known
}

// cluster is what a Cluster's client can do that others cannot.
type cluster interface {
	MasterForKey(ctx context.Context, key string) (*goredis.Client, error)
	ReloadState(ctx context.Context)
}

// want adds the channel of lock to those that are wanted.
func (p *Push) want(lock string) *channel {
	p.unused.Reset(p.idle)
	name := p.nameOf(lock)
	ch := p.channels[name]
	if ch == nil {
		ch = &channel{name: name, wanted: time.Now()}
		ch.attempt, ch.finish = context.WithCancelCause(p.ctx)
		if p.ctx.Err() == nil {
			p.channels[name] = ch
			p.place(0, ch)
		}
	}
	return ch
}

// again follows the failure of channels with another attempt: the later, the more have failed
// in a row, or at once after a subscription that had lasted.
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
	p.place(pause, channels...)
}

// place gives channels to the notifiers of their servers, after a pause.
func (p *Push) place(pause time.Duration, channels ...*channel) {
	time.AfterFunc(pause, func() {
		for _, ch := range channels {
			addr, client, err := p.locate(ch.name)
			p.mu.Lock()
			switch {
			case p.channels[ch.name] != ch: // it is not wanted any more
			case err != nil:
				p.again(err, ch)
			default:
				p.add(ch, addr, client)
			}
			p.mu.Unlock()
		}
	})
}

// locate returns the server that publishes to a channel.
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
