package redis_test

import (
	"context"
	"errors"
	"fmt"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/redis"
)

// A Cluster and a Sentinel group are made with go-redis as well; the client
// stays yours.
func ExampleNew() {
	client := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{"redis-1:6379", "redis-2:6379"}})
	defer client.Close()
	var locks backing.Backing = redis.New(client, redis.KeyPrefix("billing:"))
	fmt.Printf("%T\n", locks)
	// Output: *redis.Backing
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

func ExampleSetupError() {
	// What the first acquire on a server that is too old fails with.
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
