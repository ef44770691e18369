// Package faketime tests code that uses a lock: without a server, and with hours that pass in
// no time.
package faketime

import (
	"context"
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

// anHour is work that takes an hour, and stops when its context ends.
func anHour(ctx context.Context) error {
	select {
	case <-time.After(time.Hour):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestPublishWaitsForItsTurnOrGivesUp(t *testing.T) {
	for want, config := range map[mutex.Kind]mutex.Config{
		mutex.KindNone:        {},
		mutex.KindNotAcquired: {AcquireTimeout: time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			lock := mutex.Must(mutex.New(memory.New(), "feed", config))
			go func() { _ = publish(t.Context(), lock, anHour) }()
			synctest.Wait() // now the goroutine has the lock
			if err := publish(t.Context(), lock, anHour); mutex.KindOf(err) != want {
				t.Errorf("publish returned %v", err)
			}
		})
	}
}

func TestPublishStopsWhenTheLockIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		lock := mutex.Must(mutex.New(store, "feed", mutex.Config{}))
		err := publish(t.Context(), lock, func(ctx context.Context) error {
			if held, ok := mutex.FromContext(ctx); ok { // somebody deletes the key
				_, _ = store.Release(ctx, held.Key(), held.HolderID())
			}
			return anHour(ctx) // the next refresh finds out
		})
		if mutex.KindOf(err) != mutex.KindLost {
			t.Errorf("publish returned %v", err)
		}
	})
}
