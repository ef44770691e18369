// First is the program that most readers want: a Redis client, a lock, and work that runs in
// one process at a time.
package main

import (
	"context"
	"fmt"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

func main() {
	client := goredis.NewClient(&goredis.Options{Addr: "localhost:6379"})
	lock := mutex.Must(mutex.New(redis.New(client), "nightly-report", mutex.Config{}))
	fmt.Println("error:", lock.Do(context.Background(), func(ctx context.Context) error {
		return client.Incr(ctx, "reports").Err() // one process at a time; ctx ends if the lock is lost
	}))
}
