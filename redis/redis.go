// Package redis keeps locks in Redis: one server, a Sentinel group, or a Cluster.
//
// # What is stored
//
// A lock is one string key, the prefix followed by the mutex's key, whose value
// is the holder's id and whose expiry is the lease. That is the well-known
// scheme of SET key holder NX PX lease and compare-and-delete: any other client
// that follows it on the same key excludes this package and is excluded by it.
// Three more kinds of key, in the same hash slot, belong to a lock:
//
//	dmutex:<key>                       the holder's id, for the lease
//	fence:{dmutex:<key>}               the last fencing token, for the lease and an hour
//	released:{dmutex:<key>}:<holder>   a release, for the rest of its lease
//	queue:{dmutex:<key>}               those who wait, for a minute after one of them asked last
//
// A mutex key that has a hash tag of its own keeps its slot:
// fence:{tag}19:dmutex:orders-{tag}. No key is ever without an expiry.
//
// # Who waits is told
//
// Those who wait stand in the queue, first come, first served. A release gives the
// lock to the first of them in the same step, and publishes that to its process
// alone: on the channel push:<random id> of its Backing, or on a Cluster on the
// shard channel push:{<tag>}:<random id>, which needs Redis 7. One whose process does
// not listen any more is passed over; one whose process has stopped, but is still
// connected, costs the others 2 s. A lease that ends by itself is noticed by
// those who wait, who know when that is due.
//
// Who does not follow the queue, a foreign client or TryAcquire, may take a lock that
// is free, but finds it free only after a lease has ended. A foreign client that
// deletes the key wakes nobody: those who wait ask every 1.5 s.
//
// # What is promised
//
// Every operation is one script or one command, so it is atomic. Time is the server's alone.
// Tokens are the server's clock in microseconds, or one more than the last
// token if that is higher. So they go on increasing after expiry, restart and
// loss of all data, unless the server's clock was set back by more than the
// time since the last grant and the fence is gone as well.
//
// # What is not
//
// Redis replicates asynchronously. A failover may promote a replica that has
// not heard of a grant, and the lock can then be granted a second time while the
// first holder still works. So can an eviction, if the server's maxmemory-policy
// lets it evict keys with an expiry: use noeviction on servers that keep locks.
// Let the resource refuse old fencing tokens where that matters.
//
// A lease that was handed to one who waited is counted by the server's clock from
// its request on. If that clock is set forward meanwhile, it is counted from when the
// message came, which may be later than it began by as long as that took.
//
// # What it costs
//
// Each operation is one round trip, which those of one moment share; one more after
// the server's script cache was emptied, and one INFO before a Backing's first
// acquire. To wait costs a subscription, which all locks of a server share, on
// a connection of its own; it is closed 10 s after the last claimant has left.
//
// # What a user needs
//
// Redis 6.2 or later. An ACL user can lock with these rules:
//
//	~dmutex:* ~fence:*dmutex:* ~released:*dmutex:* ~queue:*dmutex:* &push:* +eval +evalsha +get +set +del +exists +pttl +pexpire +time +rename +zadd +zrem +zpopmin +zcard +zscore +publish +subscribe
//
// and on a Cluster with +spublish and +ssubscribe besides. +info adds the check of
// the version, and +ping is needed by [FromURL]. A user without &push:* or
// +subscribe waits by polling.
package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/IBM/fp-go/v2/option"
	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/backing"
)

// fenceLife is how long a token is remembered after its lease. While it is,
// the next token is higher even if the server's clock went back, as it may on a
// failover to a machine whose clock is behind; afterwards the clock alone must
// have moved on. For ever was rejected: a program that locks a key per order
// would fill the server with keys that nobody deletes.
const fenceLife = time.Hour

// Backing keeps locks in Redis. It implements [backing.Backing].
//
// It is a [backing.Passer], a [backing.Queue] and a [backing.Batcher] too.
//
// A Backing is safe for concurrent use. It keeps nothing running but the commands
// under way, for some 20 ms after the last of them, and a subscription while
// somebody waits; and it holds nothing but its client, which stays the caller's to
// close. Locks that are handed over through one Backing are heard of by it alone: a
// process should have one for all its locks.
//
// Whatever the client's timeouts, an operation returns at most about 120 ms after
// its context ends. A command that is under way then is left to those timeouts;
// it may still be applied, but is not sent again, unless it shares its round trip
// with others whose contexts last longer; an acquire that is applied after its
// holder has let go is undone. The client may repeat refreshes and releases by itself.
// What asks for a lock, and was sent, it does not repeat: that is for the caller to do.
// Errors are the client's, with [backing.Permanent] around those that trying
// again cannot heal: a key of another type, a refused or unknown user, command
// or key, a closed client, and [*VersionError].
type Backing struct {
	client  goredis.UniversalClient
	prefix  string
	deaf    bool
	checked atomic.Bool // the server's version is good enough, or is a secret
	lanes   lanes
	bulk    lanes // for scripts that take long, behind which nobody else should wait
	late    lateRequests
	hub     *hub // nil if deaf
	waiters waiters
}

var _ interface {
	backing.Backing
	backing.Passer
	backing.Queue
	backing.Batcher
} = (*Backing)(nil)

// Option changes how a [Backing] stores its locks.
type Option func(*Backing)

// KeyPrefix sets what stands before each mutex key, "dmutex:" if unset. Programs
// exclude each other only if they use the same prefix. An empty prefix locks the
// mutex key itself. What is locked must not begin with "fence:", "released:" or
// "queue:", where this package keeps its own keys; KeyPrefix panics if the prefix does.
func KeyPrefix(prefix string) Option {
	for _, kind := range []string{fence, released, queue} {
		if strings.HasPrefix(prefix, kind) {
			panic(fmt.Sprintf("redis: KeyPrefix(%q): a prefix must not begin with %q, where the package keeps its own keys", prefix, kind))
		}
	}
	return func(b *Backing) { b.prefix = prefix }
}

// WithoutPush has the Backing neither subscribe to anything nor put its own
// claimants in a queue: who waits, polls. It is for a server or a user that has no
// pub/sub. Claimants of other processes who wait in the queue are served all the same.
func WithoutPush() Option { return func(b *Backing) { b.deaf = true } }

// New keeps locks behind client, which the caller closes. It panics if client is
// nil. It sends nothing; the first acquire asks the server for its version.
//
// With its defaults go-redis dials up to twenty times for one command, so that a
// server which is down shows as a timeout. With DialerRetries: 1 and MaxRetries: -1
// the error is the server's own, and trying again is left to the mutex's policy.
//
// Let reads go to the primary (go-redis's default): with a client that reads
// from replicas, IsLocked and GetHolder answer what the replica knows. The three
// operations that the mutex's safety stands on always go to the primary.
func New(client goredis.UniversalClient, opts ...Option) *Backing {
	if client == nil {
		panic("redis: New: client is nil")
	}
	b := &Backing{client: client, prefix: "dmutex:", lanes: lanes{client: client}, bulk: lanes{client: client}}
	for _, opt := range opts {
		opt(b)
	}
	if !b.deaf {
		b.hub = newHub(client, rand.Text(), b.heard, b.missed)
	}
	return b
}

// TryAcquire implements [backing.Backing] with one round trip, and one more
// for the version before the first.
func (b *Backing) TryAcquire(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
	grant, _, err := b.tryAcquire(ctx, c, false)
	return grant, err
}

// tryAcquire tries nothing, politely, if anybody waits in the queue, and says so.
func (b *Backing) tryAcquire(ctx context.Context, c backing.Claim, politely bool) (_ option.Option[backing.Grant], waiting bool, _ error) {
	none := option.None[backing.Grant]()
	who := claimant{c.Key, c.Holder}
	b.late.wanted(who, true)
	if err := b.checkVersion(ctx); err != nil {
		return none, false, err
	}
	k := keysOf(b.prefix, c.Key, c.Holder)
	names := 3
	if politely {
		names = 4
	}
	cmd := newCommand(acquireScript, names)
	cmd.word(k.lock)
	cmd.word(k.fence)
	cmd.word(k.released)
	if politely {
		cmd.word(k.queue)
	}
	cmd.word(c.Holder)
	cmd.number(millis(c.TTL))
	cmd.number(fenceMillis(c.TTL))
	token, err := b.lane(k.lock).send(ctx, cmd, func() func(string, error) { return b.left(who, "") })
	b.unanswered(who, "", err)
	if err != nil || token == "" || token == "w" {
		return none, token == "w", err
	}
	grant, err := granted(token, k)
	if err != nil {
		return none, false, err
	}
	return option.Some(grant), false, nil
}

// Refresh implements [backing.Backing] with one round trip.
func (b *Backing) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	if c.TTL <= 0 { // would delete the lock
		return false, fmt.Errorf("redis: Claim.TTL is %v; it must be more than 0", c.TTL)
	}
	k := keysOf(b.prefix, c.Key, c.Holder)
	cmd := newCommand(refreshScript, 2)
	cmd.word(k.lock)
	cmd.word(k.fence)
	cmd.word(c.Holder)
	cmd.number(millis(c.TTL))
	cmd.number(fenceMillis(c.TTL))
	return yes(b.lane(k.lock).send(ctx, cmd, nil))
}

// Release implements [backing.Backing] with one round trip. It works on a
// server whose memory is full.
//
// A request of the same claimant for the lock that is still on its way, because
// its context ended before the reply came, is undone when it lands.
func (b *Backing) Release(ctx context.Context, key, holder string) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	who := claimant{key, holder}
	b.late.wanted(who, false)
	released, err := b.release(ctx, who, b.leaves(who))
	if err == nil {
		b.forgetGone(who)
	}
	return released, err
}

// release takes the claimant out of the queue too, where it stands as member.
func (b *Backing) release(ctx context.Context, who claimant, member string) (bool, error) {
	k := keysOf(b.prefix, who.key, who.holder)
	cmd := newCommand(releaseScript, 4)
	cmd.word(k.lock)
	cmd.word(k.fence)
	cmd.word(k.released)
	cmd.word(k.queue)
	cmd.word(who.holder)
	cmd.word(member)
	cmd.args = append(cmd.args, afterlife)
	return yes(b.lane(k.lock).send(ctx, cmd, nil))
}

// IsLocked implements [backing.Backing] with one round trip. It reads the key
// instead of asking whether it exists, because a key of another type is no lock.
func (b *Backing) IsLocked(ctx context.Context, key string) (bool, error) {
	holder, err := b.GetHolder(ctx, key)
	return option.IsSome(holder), err
}

// GetHolder implements [backing.Backing] with one round trip.
func (b *Backing) GetHolder(ctx context.Context, key string) (option.Option[string], error) {
	return call(ctx, func(ctx context.Context) (option.Option[string], error) {
		holder, err := b.client.Get(ctx, b.prefix+key).Result()
		if errors.Is(err, goredis.Nil) {
			return option.None[string](), nil
		}
		if err != nil {
			return option.None[string](), err
		}
		return option.Some(holder), nil
	})
}

// lane is where the commands for a lock go.
func (b *Backing) lane(lock string) *lane { return b.lanes.of(lock, b.checked.Load()) }

// yes reads the reply of a script that answers 1 or 0.
func yes(reply string, err error) (bool, error) {
	if err == nil && reply != "0" && reply != "1" {
		err = fmt.Errorf("redis: a script answered %q, not 0 or 1", reply)
	}
	return reply == "1" && err == nil, err
}

// granted reads a fencing token.
func granted(token string, k keys) (backing.Grant, error) {
	n, err := strconv.ParseUint(token, 10, 64)
	if err != nil {
		return backing.Grant{}, fmt.Errorf("redis: %s is not a fencing token: %q", k.fence, token)
	}
	return backing.Grant{Token: n}, nil
}

// fenceMillis is the life of the fence of a lease; both count the TTL, which may
// be as long as a Duration.
func fenceMillis(ttl time.Duration) int64 { return millis(ttl) + millis(fenceLife) }

// millis rounds up: a lease cut short would end before its holder thinks, and
// one of 0 ms would delete the key.
func millis(d time.Duration) int64 {
	whole := d.Truncate(time.Millisecond)
	ms := whole.Milliseconds()
	if whole < d {
		ms++
	}
	return ms
}
