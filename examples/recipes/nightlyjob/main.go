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
	for day, pause := now.Day(), time.Duration(0); ; {
		night := time.Date(now.Year(), now.Month(), day, 3, 0, 0, 0, now.Location()) // if it is past, do it at once
		select {
		case <-time.After(max(pause, time.Until(night))):
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
		if pause = time.Minute; err == nil { // after a failure, the same night again in a minute
			day, pause = day+1, 0
		}
	}
}
