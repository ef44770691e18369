package main

import (
	"context"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// library is one lock library, used as its README shows.
type library struct {
	name string
	// about says what the README leaves open, and what replaces a feature that the
	// library lacks.
	about string
	// subscribes says whether the server notifies its waiters. A library that polls
	// loses nothing when subscribing is forbidden.
	subscribes bool
	// named says whether its user can choose the holder's id.
	named bool
	// reads reports whether the library can be asked for the holder of a lock.
	reads bool
	// releasesUnder says whether a release takes the caller's context.
	releasesUnder bool
	open          func(setting) (client, error)
}

type setting struct {
	addr string
	ttl  time.Duration
	id   string // of the holder; "": the library's choice
	// impatient asks for a client with short timeouts that sends nothing twice.
	impatient bool
}

// client is a library connected to a server. It is safe for concurrent use.
type client interface {
	// with waits for the lock of key and runs work while it has it. The context of
	// work ends when the renewal finds that the lease is lost. The lock is released in
	// a deferred call, even where a README has no defer. The error is the library's,
	// from the acquire or the release.
	with(ctx context.Context, key string, work func(ctx context.Context, token uint64)) error
	// stored is the name of the string in Redis that exists while key is locked.
	stored(key string) string
	close()
}

// Ours comes first, and last the minimum that a program would do without a library.
var libraries = []library{
	{
		name: "effectlock", about: "its defaults: `WithLock`",
		subscribes: true, named: true, reads: true, open: openEffectlock,
	},
	{
		name: "redsync", about: "its defaults: 32 tries; `defer Unlock()`; our own goroutine calls `ExtendContext` every third of the lease, and cancels the work at the first refusal or error",
		named: true, open: openRedsync,
	},
	{
		name: "redislock", about: "`LinearBackoff(100 ms)`; `defer Release(ctx)`; our own goroutine calls `Refresh`, as with redsync",
		named: true, releasesUnder: true, open: openRedislock,
	},
	{
		name: "rueidislock", about: "`KeyMajority: 1`, `NoLoopTracking: true`, as in its README; `defer cancel()`; it renews by itself, every half of the lease",
		subscribes: true, open: openRueidislock,
	},
	{
		name: "raw", about: "go-redis, `SET NX PX` every 5 ms, compare-and-delete under `context.WithoutCancel`; never renewed",
		named: true, open: openRaw,
	},
}

func libraryNamed(name string) (library, bool) {
	for _, l := range libraries {
		if l.name == name {
			return l, true
		}
	}
	return library{}, false
}

// impatience is every timeout of an impatient client: longer than the slowest answer
// that it should still get.
const impatience = 300 * time.Millisecond

// goRedis connects go-redis with its defaults, unless the setting is impatient.
func goRedis(s setting) *goredis.Client {
	o := &goredis.Options{Addr: s.addr}
	if s.impatient {
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout = impatience, impatience, impatience
		o.MaxRetries, o.DialerRetries = -1, 1
	}
	return goredis.NewClient(o)
}

// renewed runs work while it calls renew in every interval. At the first error it
// ends the context of work: a lock that is not known to be held counts as lost. It has
// stopped renewing when it returns, or panics as work did.
func renewed(ctx context.Context, interval time.Duration, renew func(context.Context) error, work func(context.Context)) {
	ctx, lose := context.WithCancelCause(ctx)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				if err := renew(ctx); err != nil {
					lose(err)
					return
				}
			}
		}
	}()
	defer func() {
		close(stop)
		lose(nil)
		<-stopped
	}()
	work(ctx)
}
