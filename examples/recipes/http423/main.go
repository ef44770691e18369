// Http423 answers a request with 423 Locked if another request works on the same account.
package main

import (
	"context"
	"log"
	"net/http"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// status has a case for each way to fail: without one of them it does not compile.
var status = mutex.Fold(
	func(*mutex.LockLostError) int { return http.StatusConflict },
	func(*mutex.LockNotAcquiredError) int { return http.StatusLocked },
	func(e *mutex.MutexBackingError) int {
		if e.Operation == "release" {
			return http.StatusOK // the work is done; the lock ends with its lease
		}
		return http.StatusServiceUnavailable
	},
	func(error) int { return http.StatusInternalServerError },
)

func main() {
	client := goredis.NewClient(&goredis.Options{Addr: "localhost:6379"})
	store := redis.New(client) // one for the whole program; a lock is cheap to make
	http.HandleFunc("POST /accounts/{id}/pay", func(w http.ResponseWriter, r *http.Request) {
		lock, err := mutex.New(store, "account-"+r.PathValue("id"), mutex.Config{})
		ran := false
		if err == nil {
			ran, err = lock.TryDo(r.Context(), func(ctx context.Context) error {
				return client.DecrBy(ctx, "balance-"+r.PathValue("id"), 100).Err()
			})
		}
		if err == nil && !ran {
			err = &mutex.LockNotAcquiredError{Key: lock.Key()}
		}
		if err != nil {
			log.Print(err)
			w.WriteHeader(status(err))
		}
	})
	log.Fatal(http.ListenAndServe("localhost:8080", nil))
}
