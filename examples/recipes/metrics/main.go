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

var (
	events  = expvar.NewMap("lock_events")         // how often, for each kind of event
	seconds = expvar.NewMap("lock_events_seconds") // how long waiters waited, and holders held
)

func observe(e mutex.Event) {
	events.Add(string(e.Kind), 1+int64(e.Skipped))
	seconds.AddFloat(string(e.Kind), e.Elapsed.Seconds())
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
