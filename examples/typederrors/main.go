// Typederrors makes a lock fail in each way that it can, and recovers from each error by
// its type.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
	"github.com/effectlock/effectlock/schedule"
)

func busy(e *mutex.LockNotAcquiredError) effect.Effect[string] {
	return effect.Succeed("busy: another holder has " + e.Key)
}

func lost(e *mutex.LockLostError) effect.Effect[string] {
	return effect.Succeed("lost: the lock on " + e.Key + " is " + string(e.Reason) + "; the work was cancelled")
}

func down(e *mutex.MutexBackingError) effect.Effect[string] {
	return effect.Succeed("down: the store does not answer " + e.Operation)
}

func main() {
	store, done := memory.New(), effect.Succeed("done")
	logging.Disable() // go-redis would also log that the connection is refused
	client := goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:1", DialerRetries: 1, MaxRetries: -1})
	defer client.Close()
	// CatchTags leaves errors of other types alone, and panics too.
	recovered := effect.CatchTags(effect.Case(busy), effect.Case(lost), effect.Case(down))

	report("lock free", locked(store, done))
	report("lock taken", effect.CatchTag(busy)(taken(store, locked(store, done))))
	report("lock deleted", recovered(locked(store, deletesItsLock(store))))
	report("store down", recovered(locked(redis.New(client), done)))
	report("work fails", recovered(locked(store, effect.Fail[string](errors.New("disk full")))))
	report("work panics", recovered(locked(store, func(context.Context) (string, error) { panic("nil map") })))
}

// locked tries to get the lock three times, with one request each time.
func locked(store backing.Backing, work effect.Effect[string]) effect.Effect[string] {
	config := mutex.Config{
		RefreshInterval:           20 * time.Millisecond,
		AcquireRetryPolicy:        schedule.Spaced(10 * time.Millisecond).Intersect(schedule.Recurs(2)),
		BackingFailureRetryPolicy: schedule.Stop(),
	}
	return effect.FlatMap(func(m *mutex.Mutex) effect.Effect[string] {
		return mutex.WithLock(m, work)
	})(mutex.Make("report", config)(store))
}

// taken runs work while another holder has the lock.
func taken(store backing.Backing, work effect.Effect[string]) effect.Effect[string] {
	claim := backing.Claim{Key: "report", Holder: "another holder", TTL: time.Minute}
	return func(ctx context.Context) (string, error) {
		if _, err := store.TryAcquire(ctx, claim); err != nil {
			return "", err
		}
		done, err := work(ctx)
		_, failed := store.Release(ctx, claim.Key, claim.Holder)
		return done, errors.Join(err, failed)
	}
}

// deletesItsLock is work that deletes its own lock, as an operator might, and then carries on
// for a minute.
func deletesItsLock(store backing.Backing) effect.Effect[string] {
	return func(ctx context.Context) (string, error) {
		lock, _ := mutex.FromContext(ctx)
		if _, err := store.Release(ctx, "report", lock.HolderID()); err != nil {
			return "", err
		}
		_, err := effect.Sleep(time.Minute)(ctx)
		return "done", err
	}
}

func report(story string, eff effect.Effect[string]) {
	end := effect.Match(
		func(value string) string { return "success: " + value },
		func(err error) string { return "failure: " + err.Error() },
		func(d *effect.Defect) string { return fmt.Sprint("defect: ", d.Value) },
		func(err error) string { return "interruption: " + err.Error() },
	)
	fmt.Printf("%-12s → %s\n", story, end(effect.RunExit(context.Background(), eff)))
}
