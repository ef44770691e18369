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

func ExampleVersionError() {
	// What the first acquire on an old server fails with.
	err := backing.Permanent(&redis.VersionError{Found: "5.0.14", Needed: "6.2"})
	fmt.Println(err)
	// Output: redis: the server is Redis 5.0.14; locks need Redis 6.2 or later
}
