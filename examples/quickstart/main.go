// Quickstart guards a nightly job that several workers want to run.
//
// By default, the lock is in memory:
//
//	go run ./examples/quickstart
//
// With Redis it guards several processes. Run this in two terminals at once: only one of
// them works at a time.
//
//	REDIS_URL=redis://localhost:6379 go run ./examples/quickstart
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

func main() {
	// Ctrl-C ends the job's context, and the lock is released on the way out.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if _, err := effect.Run(ctx, effect.Scoped(program)); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func program(s *effect.Scope) effect.Effect[effect.Void] {
	return func(ctx context.Context) (done effect.Void, err error) {
		var store backing.Backing = memory.New()
		where, pause := "", 50*time.Millisecond
		if url := os.Getenv("REDIS_URL"); url != "" {
			if store, err = redis.FromURL(url)(s)(ctx); err != nil {
				return done, fmt.Errorf("REDIS_URL: %w", err)
			}
			where, pause = fmt.Sprintf("process %d: ", os.Getpid()), time.Second
		}
		lock, err := mutex.New(store, "nightly-job", mutex.Config{TTL: 10 * time.Second})
		if err != nil {
			return done, err
		}

		runs := 0 // not atomic: the lock guards it
		job := func(ctx context.Context) (effect.Void, error) {
			runs++
			fmt.Printf("%srun %d begins: it has the lock\n", where, runs)
			defer fmt.Printf("%srun %d ends: it releases the lock\n", where, runs)
			return effect.Sleep(pause)(ctx)
		}
		fmt.Printf("%sthree workers want to run the nightly job; it may run once at a time\n", where)
		_, err = effect.All(3, mutex.WithLock(lock, job), mutex.WithLock(lock, job), mutex.WithLock(lock, job))(ctx)
		return done, err
	}
}
