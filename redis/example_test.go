package redis_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// This program runs a report under a lock.
//
//nolint:testableexamples // it needs a server at this address
func Example() {
	client := goredis.NewClient(&goredis.Options{Addr: "localhost:6379"})
	defer client.Close()

	lock, err := mutex.New(redis.New(client), "nightly-report", mutex.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = lock.Do(context.Background(), func(ctx context.Context) error {
		fmt.Println("one process at a time; ctx ends if the lock is lost")
		return nil
	})
	fmt.Println(err)
}

// For a Cluster or a Sentinel group, only the go-redis client is different.
func ExampleNew() {
	client := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{"redis-1:6379", "redis-2:6379"}})
	defer client.Close()
	locks := redis.New(client, redis.KeyPrefix("billing:"))
	_, err := mutex.New(locks, "invoices", mutex.Config{})
	fmt.Println(err)
	// Output: <nil>
}

// What a mutex asks of the store. Programs leave this to package mutex.
//
//nolint:testableexamples // it needs a server at this address
func ExampleBacking() {
	client := goredis.NewClient(&goredis.Options{Addr: "localhost:6379"})
	defer client.Close()
	ctx, store := context.Background(), redis.New(client)
	ann := backing.Claim{Key: "printer", Holder: "ann", TTL: 30 * time.Second}

	fmt.Println(store.TryAcquire(ctx, ann))
	fmt.Println(store.Refresh(ctx, ann))
	fmt.Println(store.GetHolder(ctx, "printer"))
	fmt.Println(store.Release(ctx, "printer", "ann"))
}

func ExampleOption() {
	client := goredis.NewClient(&goredis.Options{Addr: "localhost:6379"})
	defer client.Close()

	options := []redis.Option{redis.KeyPrefix("billing:"), redis.WithoutPush()}
	locks := redis.New(client, options...)
	defer locks.Close()
	fmt.Println(locks.Abilities().Of == backing.Backing(locks))
	// Output: true
}

// The connections live as long as the scope.
func ExampleFromURL() {
	locked := effect.Scoped(func(s *effect.Scope) effect.Effect[bool] {
		return func(ctx context.Context) (bool, error) {
			b, err := redis.FromURL("redis://app:secret@localhost:six")(s)(ctx)
			if err != nil {
				return false, err
			}
			return b.IsLocked(ctx, "invoices")
		}
	})
	_, err := locked(context.Background())
	if bad, ok := errors.AsType[*redis.URLError](err); ok {
		fmt.Println(bad.URL)
		fmt.Println(bad.Cause)
	}
	// Output:
	// redis://localhost:six
	// invalid port ":six" after host
}

func ExampleBacking_Close() {
	client := goredis.NewClient(&goredis.Options{Addr: "localhost:6379"})
	locks := redis.New(client, redis.WithoutPush())

	// Once all work has ended:
	_, err := mutex.AwaitCleanup(locks)(context.Background())
	err = errors.Join(err, locks.Close(), client.Close())
	fmt.Println(err)
	// Output: <nil>
}

func ExampleRequireAcks() {
	client := goredis.NewClient(&goredis.Options{Addr: "localhost:6379"})
	defer client.Close()
	locks := redis.New(client, redis.RequireAcks(2, 100*time.Millisecond))
	defer locks.Close()

	// If only one replica acknowledges an acquire, it fails with an error like this.
	var err error = &redis.AcknowledgeError{Needed: 2, Got: 1, Within: 100 * time.Millisecond}
	if tooFew, ok := errors.AsType[*redis.AcknowledgeError](err); ok {
		fmt.Println(tooFew.Got, "of", tooFew.Needed)
	}
	// Output: 1 of 2
}

func ExampleReservedKeyError() {
	client := goredis.NewClient(&goredis.Options{Addr: "localhost:6379"})
	defer client.Close()
	_, err := redis.New(client).IsLocked(context.Background(), "{jobs}~queue")
	if reserved, ok := errors.AsType[*redis.ReservedKeyError](err); ok {
		fmt.Println(reserved.Key, backing.IsPermanent(err))
	}
	// Output: {jobs}~queue true
}

func ExampleSetupError() {
	// An acquire on a server that is too old fails with an error like this.
	err := backing.Permanent(&redis.SetupError{
		Advice: "the server does not know SET with GET: locks need Redis 6.2 or later",
		Err:    errors.New("ERR syntax error"),
	})
	if setup, ok := errors.AsType[*redis.SetupError](err); ok {
		fmt.Println(setup.Advice)
	}
	fmt.Println(err)
	// Output:
	// the server does not know SET with GET: locks need Redis 6.2 or later
	// ERR syntax error: the server does not know SET with GET: locks need Redis 6.2 or later
}
