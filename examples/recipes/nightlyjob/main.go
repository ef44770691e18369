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
	lock := mutex.Must(mutex.New(redis.New(client), "nightly-report", mutex.Config{}))
	for {
		night := threeOClock(time.Now())
		select {
		case <-time.After(time.Until(night)):
		case <-ctx.Done():
			return
		}
		done := "report of " + night.Format(time.DateOnly)
		err := lock.Do(ctx, func(ctx context.Context) error {
			if n, err := client.Exists(ctx, done).Result(); n == 1 || err != nil {
				return err // another process has already written it
			}
			if err := client.Incr(ctx, "reports").Err(); err != nil { // the job
				return err
			}
			return client.Set(ctx, done, "written", 48*time.Hour).Err()
		})
		log.Printf("%s, error: %v", done, err)
	}
}

func threeOClock(now time.Time) time.Time { // the next one after now
	night := time.Date(now.Year(), now.Month(), now.Day(), 3, 0, 0, 0, now.Location())
	if !night.After(now) {
		night = time.Date(now.Year(), now.Month(), now.Day()+1, 3, 0, 0, 0, now.Location())
	}
	return night
}
