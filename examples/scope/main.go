// Scope holds several locks until a scope closes. WithLock would hold one lock
// around one effect.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

func main() {
	store := memory.New()
	config := mutex.Config{
		RefreshInterval: 20 * time.Millisecond,
		Observer:        mutex.Observe(func(e mutex.Event) { fmt.Println("  lock of", e.Key, e.Kind) }),
	}
	ann, err1 := mutex.New(store, "ann", config)
	bob, err2 := mutex.New(store, "bob", config)
	if err := errors.Join(err1, err2); err != nil {
		fmt.Fprintln(os.Stderr, "scope:", err)
		os.Exit(1)
	}
	deleted := func(lock *mutex.KeepAlive) effect.Effect[string] {
		return func(ctx context.Context) (string, error) {
			_, err := store.Release(ctx, "ann", lock.HolderID()) // the holder is not notified
			return effect.ZipRight[effect.Void](effect.Fail[string](err))(effect.Sleep(time.Minute))(ctx)
		}
	}
	tell("both are free", transfer(ann, bob))
	tell("bob is busy", mutex.WithLock(bob, transfer(ann, bob)))
	tell("ann is deleted", guarded(ann, deleted))
}

// transfer needs two locks. However the work ends, the scope releases the locks it
// holds, the last one first: also if another holder has the second lock.
func transfer(from, to *mutex.Mutex) effect.Effect[string] {
	return effect.Scoped(func(s *effect.Scope) effect.Effect[string] {
		return func(ctx context.Context) (string, error) {
			if _, err := from.Acquire(s)(ctx); err != nil {
				return "", err
			}
			lock, err := to.TryAcquire(s)(ctx)
			if option.IsNone(lock) {
				return "nothing transferred", err
			}
			return "transferred", nil
		}
	})
}

// guarded ends as soon as the lock is lost. Acquire alone cancels nothing, so the
// work races the keep-alive fiber, which ends only when it fails.
func guarded[A any](m *mutex.Mutex, work effect.Kleisli[*mutex.KeepAlive, A]) effect.Effect[A] {
	return effect.Scoped(func(s *effect.Scope) effect.Effect[A] {
		return effect.FlatMap(func(lock *mutex.KeepAlive) effect.Effect[A] {
			return effect.RaceFirst(work(lock), effect.Absurd[A](lock.Join()))
		})(m.Acquire(s))
	})
}

func tell(story string, eff effect.Effect[string]) {
	fmt.Println(story)
	result, err := effect.Run(context.Background(), eff)
	if err != nil {
		result = err.Error()
	}
	fmt.Println("  result:", result)
}
