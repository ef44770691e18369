// Package forgotten builds effects that it does not run.
package forgotten

import (
	"context"
	"time"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

// Job has forgotten `(ctx)` in all lines but two.
func Job(ctx context.Context, lock *mutex.Mutex, scope *effect.Scope) {
	job := effect.Sleep(time.Second)

	mutex.WithLock(lock, job)                                            // want govet
	mutex.WithLockIfAvailable(lock, job)                                 // want govet
	mutex.Locked[effect.Void](lock)                                      // want govet
	effect.Retry[effect.Void](schedule.Forever())                        // want govet
	effect.Scoped(func(*effect.Scope) effect.Effect[int] { return nil }) // want govet

	mutex.WithLock(lock, job)(ctx) // want errcheck

	defer mutex.WithLock(lock, job) // want staticcheck

	// No linter sees these: the result is thrown away on purpose, as it seems, or comes from
	// a method or from a function without a name.
	go mutex.WithLock(lock, job)
	_ = mutex.WithLock(lock, job)
	lock.Acquire(scope)
	mutex.Locked[effect.Void](lock)(job)

	_, _ = mutex.WithLock(lock, job)(ctx)
}
