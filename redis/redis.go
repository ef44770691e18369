// Package redis keeps locks in Redis: one server, a Sentinel group, or a Cluster.
//
//	client := goredis.NewClient(&goredis.Options{Addr: "localhost:6379"})
//	lock, err := mutex.New(redis.New(client), "nightly-report", mutex.Config{})
//	err = lock.Do(ctx, func(ctx context.Context) error { return report(ctx) })
//
// The client is that of go-redis, whose package is called redis too. Import it as
//
//	goredis "github.com/redis/go-redis/v9"
//
// To shut down, end the work, call mutex.AwaitCleanup, then [Backing.Close], and then close
// the client.
//
// # What is guaranteed
//
// Every operation is one script or one command, and so is atomic. Time is the server's
// alone. Waiters are served first come, first served. Fencing tokens are the server's clock
// in microseconds, or one more than the last token if that is higher. They rise across
// expiry, restart, failover and loss of all data, unless the server's clock was set back by
// more than the time since the last grant and the fence, the key of the last token, is gone
// as well.
//
// A change of topology that loses no data never gives a lock to two holders, if the clocks
// of the servers differ by less than 1 % of the TTL, the mutex's margin.
//
// # Limits
//
// Redis replicates asynchronously: a failover may promote a replica that has not received a
// grant. The lock can then be granted a second time while the first holder still works: see
// [RequireAcks]. Eviction can do the same: use the maxmemory-policy noeviction. Where it
// matters, let the resource refuse old fencing tokens.
//
// # How waiters are served
//
// A release reserves the lock for the first in the queue, for 2 s, and publishes a wake-up
// to its process alone. A waiter whose process does not receive messages is passed over;
// one whose process has stopped, but is still connected, costs the others 2 s. TryAcquire
// and foreign clients bypass the queue: while anyone is queued, they find the lock free
// only after a lease has expired. A foreign client that deletes the key wakes nobody:
// waiters ask every 1.5 s.
//
// # Costs
//
// Each operation is one round trip, which concurrent operations share. Handing a lock to a
// waiter of another process takes one more. Waiting takes a subscription on a connection of
// its own, one for all locks of a server.
//
// # What is stored
//
// A lock is one string key, whose value is the holder's id and whose expiry is the lease.
// This is the well-known scheme of SET key holder NX PX lease and compare-and-delete: any
// other client that follows it on the same key excludes this package and is excluded by it.
// All keys begin with the prefix:
//
//	dmutex:<key>                            the holder's id, for the lease
//	dmutex:{dmutex:<key>}~queue             the waiters, for a minute after it was last needed
//	dmutex:{dmutex:<key>}~released:<client> the last release by a client, for 6 s
//	dmutex:{3560}~fence                     the last fencing token of all locks; never expires
//
// A mutex key in the form of the last three is refused: [*ReservedKeyError]. Wake-ups are
// published on the channel push:<random id> or, on a Cluster, the shard channel
// push:{<tag>}:<random id>, which needs Redis 7. See [KeyPrefix] for hash slots.
//
// # Permissions
//
// Locks need Redis 6.2 or later. An ACL user needs these rules:
//
//	~dmutex:* &push:* +eval +evalsha +get +set +del +exists +pttl +pexpire +time +zadd +zrem +zscore +zincrby +zrangebyscore +zremrangebyscore +publish +subscribe
//
// and on a Cluster +cluster|slots, +spublish and +ssubscribe as well. [FromURL] needs
// +ping, and [RequireAcks] needs +wait. A user without &push:* or +subscribe waits by
// polling. The servers, proxies and services that were tried are listed in docs/servers.md
// of the repository.
package redis

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/fp-go/v2/option"
	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis/internal/pipeline"
	"github.com/effectlock/effectlock/redis/internal/push"
)

// Backing keeps locks in Redis. It implements [backing.Backing], with all the abilities of
// [backing.Abilities]. It is safe for concurrent use. A process should have one Backing for
// all its locks: locks that are handed over through a Backing wake only its own waiters.
//
// Whatever the client's timeouts, an operation returns at most about 120 ms after its
// context ends. Its command may still be applied, but is not sent again, unless it shares
// its round trip with others whose contexts last longer. The server refuses an acquire that
// arrives after its holder has released. The client may retry refreshes by itself, and
// nothing else.
//
// Errors are the client's. Those that a different set-up would avoid are wrapped in a
// [*SetupError], which says what to do. [backing.Permanent] marks those that retrying
// cannot cure: a key of another type, a command or key that the user may not use, a server
// that is too old or needs another client, credentials that have been refused for more than
// a second, a closed client, and [*ReservedKeyError].
type Backing struct {
	client      goredis.UniversalClient
	oneServer   bool   // by its type, the client is one of a single server
	id          string // distinguishes this Backing from others on the server
	prefix      string
	commonFence any         // a string, as a word of a command
	slots       atomic.Bool // scripts must keep to one hash slot
	namesMu     sync.Mutex
	names       map[string]*keys
	acks        AcknowledgeError // what RequireAcks requires; Needed is 0 without it
	contact     contact
	pipeline    *pipeline.Pipeline
	bulk        *pipeline.Pipeline // for long-running scripts
	push        *push.Push         // nil WithoutPush
	ledger      *ledger
	memories    memories
}

var _ backing.Able = (*Backing)(nil)

// Option changes how a [Backing] stores its locks.
type Option func(*Backing)

// WithoutPush makes the waiters of this Backing poll: it neither subscribes nor queues
// them. It is for a server without pub/sub, or a user who may not use it. Waiters of other
// processes that are in the queue are still served.
func WithoutPush() Option { return func(b *Backing) { b.push = nil } }

// New keeps locks behind client, which the caller closes. It sends nothing. It panics if
// client is nil.
//
// By default go-redis dials up to five times, in 0.4 s, to acquire or release a lock, and
// up to twenty times to refresh or query one, so a server that is down may look like a
// timeout. With DialerRetries: 1 and MaxRetries: -1 the error says why the server cannot be
// reached, and only the mutex's policy decides about retries.
//
// A connection that a load balancer has dropped costs a request up to 2 s: set the client's
// ConnMaxIdleTime below the load balancer's limit.
//
// Hooks must be added to the client before its first lock. If the client is wrapped in a
// type of the caller's own, only the methods of that type are used. With a client that
// reads from replicas, IsLocked and GetHolder return what the replica knows; the operations
// on which the mutex's safety rests always go to the primary.
func New(client goredis.UniversalClient, opts ...Option) *Backing {
	if client == nil {
		panic("redis: New: client is nil: pass a client of go-redis")
	}
	b := &Backing{client: client, id: rand.Text()[:13], prefix: "dmutex:", names: map[string]*keys{}, pipeline: pipeline.New(client), bulk: pipeline.New(client)}
	_, b.oneServer = client.(*goredis.Client)
	_, cluster := client.(*goredis.ClusterClient)
	b.slots.Store(cluster)
	b.ledger = newLedger(func(delta int) {
		if b.push != nil {
			b.push.AddWaiters(delta)
		}
	})
	b.push = push.New(client, b.id, b.onMessage, b.ledger.wakeAll)
	for _, opt := range opts {
		opt(b)
	}
	b.commonFence = fenceOf(b.prefix, 0)
	return b
}

// Close ends the subscription, and the repeated releases of locks that may have been
// granted to callers that have left. It waits for their goroutines, and fails if a
// subscription has not ended after 5 s. The client stays open.
//
// All operations still work, so held locks can be released, but waiters poll from then on,
// and a lock that cannot be released when its caller leaves stays for one lease. Close may
// be called more than once.
//
// Without Close, what runs in the background ends by itself:
//
//	commands under way        at the client's timeouts, or when the client is closed
//	the subscription          10 s after the last waiter has left
//	repeated releases         a minute after the caller has left
//	a clean-up of the mutex   5 s after its caller has left; see mutex.AwaitCleanup
func (b *Backing) Close() error {
	b.ledger.close()
	if b.push == nil {
		return nil
	}
	return b.push.Close()
}

// Abilities implements [backing.Able]. A Backing has all abilities.
func (b *Backing) Abilities() backing.Abilities {
	return backing.Abilities{Of: b, Queue: b, Passer: b, Batcher: b, Releaser: b}
}

// IsLocked implements [backing.Backing] with one round trip. A key of another type is not a
// lock: IsLocked fails with a *[SetupError].
func (b *Backing) IsLocked(ctx context.Context, key string) (bool, error) {
	holder, err := b.GetHolder(ctx, key)
	return option.IsSome(holder), err
}

// GetHolder implements [backing.Backing] with one round trip. If the lock is reserved for a
// waiter, that waiter is the holder.
func (b *Backing) GetHolder(ctx context.Context, key string) (option.Option[string], error) {
	if err := checkKey(key); err != nil {
		return option.None[string](), err
	}
	holder, err := pipeline.Call(ctx, func(ctx context.Context) (option.Option[string], error) {
		holder, err := b.client.Get(ctx, b.prefix+key).Result()
		switch {
		case isNil(err):
			return option.None[string](), nil
		case err != nil:
			return option.None[string](), err
		}
		return option.Some(holder), nil
	})
	return holder, b.classify(err)
}

// millis rounds up: a lease that is cut short would end before its holder expects, and a
// lease of 0 ms would delete the key.
func millis(d time.Duration) int64 {
	ms := d.Milliseconds()
	if time.Duration(ms)*time.Millisecond < d {
		ms++
	}
	return ms
}
