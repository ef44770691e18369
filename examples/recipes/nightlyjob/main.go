// Nightlyjob writes one report a night, however many processes run it.
package main

import (
	"context"
	"log"
	"os/signal"
	"syscall"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	client := goredis.NewClient(&goredis.Options{Addr: "localhost:6379", DialerRetries: 1, MaxRetries: -1})
	lock := mutex.Must(mutex.New(redis.New(client), "nightly-report", mutex.Config{})) // a killed holder blocks it for 30 s
	now := time.Now()
	night := time.Date(now.Year(), now.Month(), now.Day(), 3, 0, 0, 0, now.Location())
	for next := night; ; { // at once, if three o'clock has passed
		select {
		case <-time.After(time.Until(next)):
		case <-ctx.Done():
			return
		}
		done := "report of " + night.Format(time.DateOnly)
		err := lock.Do(ctx, func(ctx context.Context) error {
			if n, err := client.Exists(ctx, done).Result(); n == 1 || err != nil {
				return err // it has been written already
			}
			if err := client.Incr(ctx, "reports").Err(); err != nil { // the job
				return err
			}
			return client.Set(ctx, done, "written", 48*time.Hour).Err()
		})
		log.Printf("%s, error: %v", done, err)
		if err != nil {
			next = time.Now().Add(time.Minute) // the same night again
			continue
		}
		night = night.AddDate(0, 0, 1)
		next = night
	}
}
