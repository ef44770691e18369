// Package redis keeps locks in Redis: one server, a Sentinel group, or a Cluster.
//
// # What is stored
//
// A lock is one string key, the prefix followed by the mutex's key, whose value
// is the holder's id and whose expiry is the lease. That is the well-known
// scheme of SET key holder NX PX lease and compare-and-delete: any other client
// that follows it on the same key excludes this package and is excluded by it.
// Two more kinds of key, in the same hash slot, belong to a lock:
//
//	dmutex:<key>                       the holder's id, for the lease
//	fence:{dmutex:<key>}               the last fencing token, for the lease and an hour
//	released:{dmutex:<key>}:<holder>   a release, for the rest of its lease
//
// A mutex key that has a hash tag of its own keeps its slot:
// fence:{tag}19:dmutex:orders-{tag}. No key is ever without an expiry.
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
// # What it costs
//
// Each operation is one round trip, one more after the server's script cache
// was emptied, and one INFO before a Backing's first acquire.
//
// # What a user needs
//
// Redis 6.2 or later. An ACL user can lock with these rules:
//
//	~dmutex:* ~fence:*dmutex:* ~released:*dmutex:* +eval +evalsha +get +set +del +exists +pttl +pexpire +time
//
// to which +info adds the check of the version, and +ping is needed by [FromURL].
package redis

import (
	"context"
	_ "embed"
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

//go:embed acquire.lua
var acquireSource string

//go:embed refresh.lua
var refreshSource string

//go:embed release.lua
var releaseSource string

var (
	acquireScript = goredis.NewScript(acquireSource)
	refreshScript = goredis.NewScript(refreshSource)
	releaseScript = goredis.NewScript(releaseSource)
)

// fenceLife is how long a token is remembered after its lease. While it is,
// the next token is higher even if the server's clock went back, as it may on a
// failover to a machine whose clock is behind; afterwards the clock alone must
// have moved on. For ever was rejected: a program that locks a key per order
// would fill the server with keys that nobody deletes.
const fenceLife = time.Hour

// Backing keeps locks in Redis. It implements [backing.Backing].
//
// A Backing is safe for concurrent use, keeps nothing running but the
// commands under way, and holds nothing but its client, which stays the caller's
// to close.
//
// Whatever the client's timeouts, an operation returns at most about 100 ms after
// its context ends. A command that is under way then is left to those timeouts;
// it may still be applied, but is not sent again; an acquire that is applied after
// its holder has released is undone.
// Errors are the client's, with [backing.Permanent] around those that trying
// again cannot heal: a key of another type, a refused or unknown user, command
// or key, a closed client, and [*VersionError].
type Backing struct {
	client  goredis.UniversalClient
	prefix  string
	checked atomic.Bool // the server's version is good enough, or is a secret
	late    lateAcquires
}

var _ backing.Backing = (*Backing)(nil)

// Option changes how a [Backing] stores its locks.
type Option func(*Backing)

// KeyPrefix sets what stands before each mutex key, "dmutex:" if unset. Programs
// exclude each other only if they use the same prefix. An empty prefix locks the
// mutex key itself. What is locked must not begin with "fence:" or "released:",
// where this package keeps its own keys; KeyPrefix panics if the prefix does.
func KeyPrefix(prefix string) Option {
	for _, kind := range []string{fence, released} {
		if strings.HasPrefix(prefix, kind) {
			panic(fmt.Sprintf("redis: KeyPrefix(%q): a prefix must not begin with %q, where the package keeps its own keys", prefix, kind))
		}
	}
	return func(b *Backing) { b.prefix = prefix }
}

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
	b := &Backing{client: client, prefix: "dmutex:"}
	for _, opt := range opts {
		opt(b)
	}
	return b
}

// TryAcquire implements [backing.Backing] with one round trip, and one more
// for the version before the first.
func (b *Backing) TryAcquire(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
	b.late.wanted(claimant{c.Key, c.Holder}, true)
	return call(ctx, func(ctx context.Context) (option.Option[backing.Grant], error) {
		none := option.None[backing.Grant]()
		if err := b.checkVersion(ctx); err != nil {
			return none, err
		}
		lock := b.prefix + c.Key
		keys := []string{lock, fenceKey(lock), releasedKey(lock, c.Holder)}
		token, err := acquireScript.Run(ctx, b.client, keys, c.Holder, millis(c.TTL), fenceMillis(c.TTL)).Text()
		if errors.Is(err, goredis.Nil) {
			return none, nil
		}
		if err != nil {
			return none, err
		}
		n, err := strconv.ParseUint(token, 10, 64)
		if err != nil {
			return none, fmt.Errorf("redis: %s is not a fencing token: %q", keys[1], token)
		}
		return option.Some(backing.Grant{Token: n}), nil
	}, func(replies <-chan reply[option.Option[backing.Grant]]) { b.undoLate(c, replies) })
}

// Refresh implements [backing.Backing] with one round trip.
func (b *Backing) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	return call(ctx, func(ctx context.Context) (bool, error) {
		lock := b.prefix + c.Key
		keys := []string{lock, fenceKey(lock)}
		return refreshScript.Run(ctx, b.client, keys, c.Holder, millis(c.TTL), fenceMillis(c.TTL)).Bool()
	}, nil)
}

// Release implements [backing.Backing] with one round trip. It works on a
// server whose memory is full.
//
// An acquire of the same claimant that is still on its way, because its context
// ended before the reply came, is undone when it lands.
func (b *Backing) Release(ctx context.Context, key, holder string) (bool, error) {
	b.late.wanted(claimant{key, holder}, false)
	return b.release(ctx, key, holder)
}

func (b *Backing) release(ctx context.Context, key, holder string) (bool, error) {
	return call(ctx, func(ctx context.Context) (bool, error) {
		lock := b.prefix + key
		keys := []string{lock, releasedKey(lock, holder)}
		return releaseScript.Run(ctx, b.client, keys, holder).Bool()
	}, nil)
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
	}, nil)
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
