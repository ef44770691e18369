package main

import (
	"context"
	"time"

	"github.com/effectlock/effectlock/redis"
)

// peer is one library, set up in one way.
type peer struct {
	name string
	// about describes the set-up where it is not the library's default.
	about string
	open  func(context.Context, setting) (client, error)
	// partial means that the peer can only lock a key that is free. It is measured
	// only in workloads that name it.
	partial bool
}

// setting is the same for every library.
type setting struct {
	addr  string
	dial  dialer        // nil: the library's own
	ttl   time.Duration // of a lease
	renew time.Duration // between two renewals of a held lease
}

// client is a library connected to the server. It is safe for concurrent use.
type client interface {
	// locker returns a function that waits for the lock of key, runs section and
	// releases the lock. One goroutine calls it repeatedly: whatever a program would
	// make once and keep is made here, not in the function.
	locker(key string, section func(context.Context)) func(context.Context) error
	// hold takes the lock of key, and renews it until the process ends.
	hold(ctx context.Context, key string) error
	// stored is the name of the string in Redis that exists while key is locked.
	stored(key string) string
}

// poll is the time between two tries of libraries that let the user choose it and
// cannot be notified when the lock is free.
const poll = 5 * time.Millisecond

// baseline is the peer that the others are compared with.
const baseline = "raw"

// ours is the peer that the targets are for.
const ours = "effectlock"

// replayed sends the requests of ours without the library.
const replayed = "effectlock replayed"

// peers are the measured libraries, the baseline first.
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
