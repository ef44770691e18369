package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// worker is one process, which works for a second under the lock.
func worker(name string) func(*effect.Scope) effect.Effect[effect.Void] {
	work := func(ctx context.Context) (effect.Void, error) {
		lock, _ := mutex.FromContext(ctx)
		fmt.Printf("worker %s has the lock, token %d\n", name, lock.Token())
		defer fmt.Printf("worker %s is done\n", name)
		return effect.Sleep(time.Second)(ctx)
	}
	return func(s *effect.Scope) effect.Effect[effect.Void] {
		return func(ctx context.Context) (done effect.Void, err error) {
			store, err := redis.FromURL(os.Getenv("REDIS_URL"))(s)(ctx)
			if err != nil {
				return done, err
			}
			lock, err := mutex.New(store, "processes", mutex.Config{TTL: time.Second})
			if err != nil {
				return done, err
			}
			return mutex.WithLock(lock, work)(ctx)
		}
	}
}
