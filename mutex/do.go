package mutex

import (
	"context"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/effect"
)

// Do runs work while it holds the lock, for which it waits as AcquireRetryPolicy says. It is
// [WithLock] for a plain function: it makes the same promises and fails with the same errors.
//
// work is given a context that ends when ctx does, or when the lock is lost. It should stop
// soon after that: Do returns when work has returned and the lock has been released.
func (m *Mutex) Do(ctx context.Context, work func(context.Context) error) error {
	_, err := WithLock(m, effect.Action(work))(ctx)
	return err
}

// TryDo is [Mutex.Do] if the lock is free. Otherwise it returns false, as soon as the store
// has answered. ran reports whether work was called, also when TryDo fails. Like
// [WithLockIfAvailable] it never fails with *[LockNotAcquiredError].
func (m *Mutex) TryDo(ctx context.Context, work func(context.Context) error) (ran bool, err error) {
	done, err := WithLockIfAvailable(m, effect.Action(work))(ctx)
	return option.IsSome(done), err
}

// Must returns m, and panics if err is not nil. It is for a lock whose key and configuration
// are written in the program:
//
//	var nightly = mutex.Must(mutex.New(store, "nightly-report", mutex.Config{}))
func Must(m *Mutex, err error) *Mutex {
	if err != nil {
		panic(err)
	}
	return m
}
