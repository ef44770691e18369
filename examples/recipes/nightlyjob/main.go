// Nightlyjob runs at three o'clock in one process of many, and stops when it is told to.
package main

import (
	"context"
	"log"
	"os/signal"
	"syscall"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
	"github.com/effectlock/effectlock/schedule"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	client := goredis.NewClient(&goredis.Options{Addr: "localhost:6379"})
	lock := mutex.Must(mutex.New(redis.New(client), "nightly-report", mutex.Config{}))

	threeOClock := func(now time.Time) time.Time {
		day := now.Add(-3 * time.Hour) // the day that ends at three
		return time.Date(day.Year(), day.Month(), day.Day()+1, 3, 0, 0, 0, now.Location())
	}
	nightly := effect.Scheduled(schedule.At(threeOClock))
	_, err := nightly(effect.Action(func(ctx context.Context) error {
		ran, err := lock.TryDo(ctx, func(ctx context.Context) error {
			return client.Incr(ctx, "reports").Err() // the job
		})
		log.Printf("ran here: %t, error: %v", ran, err)
		return nil // one bad night does not end the loop
	}))(ctx)
	log.Print("stopped: ", err)
}
