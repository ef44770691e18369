package main

import (
	"context"
	"time"

	"github.com/effectlock/effectlock/redis"
)

// peer is one library, set up in one way.
type peer struct {
	name string
	// about says what the set-up is, where it is not the library's default.
	about string
	open  func(context.Context, setting) (client, error)
	// partial is a peer that can lock a key that is free, and no more. It is
	// measured only in workloads that name it.
	partial bool
}

// setting is what every library is given alike.
type setting struct {
	addr  string
	dial  dialer        // nil: the library's own
	ttl   time.Duration // of a lease
	renew time.Duration // between two renewals of a held lease
}

// client is a library connected to the server. It is safe for concurrent use.
type client interface {
	// locker returns a function that waits for the lock of key, runs section and
	// lets go of the lock. One goroutine uses it, again and again: what a
	// program would make once and keep is made here, not in the function.
	locker(key string, section func(context.Context)) func(context.Context) error
	// hold takes the lock of key, and renews it until the process ends.
	hold(ctx context.Context, key string) error
	// stored is the name of the string in Redis that exists while key is locked.
	stored(key string) string
}

// poll is how long those wait between two tries that let their user choose and
// cannot be told when the lock is free.
const poll = 5 * time.Millisecond

// baseline is what the others are compared with.
const baseline = "raw"

// ours is the peer that the targets are for.
const ours = "effectlock"

// replayed is the requests of ours without the library.
const replayed = "effectlock replayed"

// peers are what is measured, the baseline first.
var peers = []peer{
	{name: baseline, about: "go-redis, SET NX PX and compare-and-delete, polling every 5 ms; W5: renewals pipelined by hand", open: openRaw},
	{name: "raw-rueidis", about: "the same on rueidis, which pipelines by itself", open: openRawRueidis},
	{name: "redsync", about: "its defaults, without a limit on tries", open: openRedsync},
	{name: "redislock", about: "linear backoff of 100 ms", open: openRedislock},
	{name: "rueidislock", about: "one key per lock (KeyMajority 1), NoLoopTracking", open: openRueidislock},
	{name: ours, about: "its defaults", open: openEffectlock()},
	{name: "effectlock no push", about: "WithoutPush, AcquireRetryInterval 5 ms", open: openEffectlock(redis.WithoutPush())},
	{name: replayed, about: "the requests of effectlock for a lock and its release, recorded, then sent by go-redis one after another", open: openReplayed, partial: true},
}

func peerNames() []string {
	var names []string
	for _, p := range peers {
		names = append(names, p.name)
	}
	return names
}

func peerNamed(name string) (peer, bool) {
	for _, p := range peers {
		if p.name == name {
			return p, true
		}
	}
	return peer{}, false
}
