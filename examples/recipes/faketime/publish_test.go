// Package faketime tests a program of one's own without a server, and hours in no time.
package faketime

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/mutex"
)

// publish is the code under test.
func publish(ctx context.Context, lock *mutex.Mutex, send func(context.Context) error) error {
	return lock.Do(ctx, send)
}

func TestPublishWaitsForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lock := mutex.Must(mutex.New(memory.New(), "feed", mutex.Config{}))
		begin := time.Now()
		for range 2 {
			go func() {
				_ = publish(t.Context(), lock, func(context.Context) error { time.Sleep(time.Hour); return nil })
			}()
		}
		synctest.Wait() // both have begun, and one has the lock
		err := publish(t.Context(), lock, func(context.Context) error { return nil })
		if waited := time.Since(begin); err != nil || waited != 2*time.Hour {
			t.Errorf("it waited for %v, and failed with %v", waited, err)
		}
	})
}

func TestPublishStopsWhenTheLockIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		err := publish(t.Context(), mutex.Must(mutex.New(store, "feed", mutex.Config{})), func(ctx context.Context) error {
			lock, _ := mutex.FromContext(ctx)
			_, _ = store.Release(ctx, lock.Key(), lock.HolderID()) // somebody deletes the lock
			<-ctx.Done()                                           // until the next refresh finds out
			return ctx.Err()
		})
		if lost := new(mutex.LockLostError); !errors.As(err, &lost) {
			t.Errorf("it failed with %v", err)
		}
	})
}
