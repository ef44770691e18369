// Http423 responds with 423 Locked if the account stays busy for two seconds.
package main

import (
	"context"
	"log"
	"net/http"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// status has a case for each error of a lock, and one for all other errors. It does not
// compile if one is missing.
var status = mutex.Fold(
	func(*mutex.LockLostError) int { return http.StatusConflict }, // it may have been paid: check
	func(*mutex.LockNotAcquiredError) int { return http.StatusLocked },
	func(e *mutex.MutexBackingError) int {
		if e.Operation == mutex.OperationRelease {
			return http.StatusOK // it has been paid, and the lock ends with its lease
		}
		return http.StatusServiceUnavailable
	},
	func(error) int { return http.StatusInternalServerError }, // the payment failed, or the client has gone
)

func main() {
	client := goredis.NewClient(&goredis.Options{Addr: "localhost:6379", DialerRetries: 1, MaxRetries: -1})
	store := redis.New(client) // one for the whole program; a mutex is cheap to make
	config := mutex.Config{AcquireTimeout: 2 * time.Second}

	http.HandleFunc("POST /accounts/{id}/pay", func(w http.ResponseWriter, r *http.Request) {
		lock, err := mutex.New(store, "account-"+r.PathValue("id"), config)
		if err == nil {
			err = lock.Do(r.Context(), func(ctx context.Context) error {
				return client.DecrBy(ctx, "balance-"+r.PathValue("id"), 100).Err()
			})
		}
		if err != nil {
			log.Print(err)
			w.WriteHeader(status(err))
		}
	})
	log.Fatal(http.ListenAndServe("localhost:8080", nil))
}
