// Metrics counts what happens to its locks, and serves the counts at /debug/vars.
package main

import (
	"context"
	"expvar"
	"log"
	"net/http"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

var locks = expvar.NewMap("locks")

func observe(e mutex.Event) {
	locks.Add(string(e.Kind), 1)                             // how many were acquired, lost, …
	locks.Add(string(mutex.BackingFailed), int64(e.Skipped)) // failures that had no event of their own
	switch e.Kind {
	case mutex.Acquired, mutex.NotAcquired:
		locks.AddFloat("seconds waited", e.Elapsed.Seconds())
	case mutex.Released, mutex.ReleaseFailed, mutex.Lost: // each lock ends with one of these
		locks.AddFloat("seconds held", e.Elapsed.Seconds())
	case mutex.Waiting, mutex.Polling, mutex.BackingFailed:
	}
}

func main() {
	client := goredis.NewClient(&goredis.Options{Addr: "localhost:6379"})
	lock := mutex.Must(mutex.New(redis.New(client), "import", mutex.Config{Observer: mutex.Observe(observe)}))
	go func() {
		err := lock.Do(context.Background(), func(ctx context.Context) error { return client.Incr(ctx, "imports").Err() })
		log.Print("imported, error: ", err)
	}()
	log.Fatal(http.ListenAndServe("localhost:8080", nil))
}
