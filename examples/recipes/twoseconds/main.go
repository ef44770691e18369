// Twoseconds waits at most two seconds for its lock, and otherwise says why it did not get it.
package main

import (
	"context"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

func main() {
	client := goredis.NewClient(&goredis.Options{Addr: "localhost:6379", DialerRetries: 1, MaxRetries: -1})
	lock := mutex.Must(mutex.New(redis.New(client), "account-7", mutex.Config{AcquireTimeout: 2 * time.Second}))
	err := lock.Do(context.Background(), func(ctx context.Context) error {
		return client.DecrBy(ctx, "balance-7", 100).Err() // may take longer than two seconds
	})
	switch mutex.KindOf(err) {
	case mutex.KindNone:
		fmt.Println("paid")
	case mutex.KindNotAcquired:
		fmt.Println("busy, try again:", err)
	case mutex.KindStore: // a tryAcquire that failed: not paid; a release: paid
		fmt.Println("Redis failed:", err)
	case mutex.KindLost, mutex.KindCanceled, mutex.KindOther:
		fmt.Println("check the account before you pay again:", err)
	}
}
