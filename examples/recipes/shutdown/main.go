// Shutdown releases its lock when it is interrupted, and leaves nothing behind.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	client := goredis.NewClient(&goredis.Options{Addr: "localhost:6379"})
	store := redis.New(client)
	lock := mutex.Must(mutex.New(store, "consumer", mutex.Config{}))

	err := lock.Do(ctx, func(ctx context.Context) error { // returns when the lock is released
		for ctx.Err() == nil { // until a signal arrives or the lock is lost
			client.Incr(ctx, "consumed")
			time.Sleep(100 * time.Millisecond)
		}
		return nil
	})
	_, unfinished := mutex.AwaitCleanup(store)(context.Background()) // at most 5 s
	fmt.Println("error:", errors.Join(err, unfinished, store.Close(), client.Close()))
}
