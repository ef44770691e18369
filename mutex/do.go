package mutex

import (
	"context"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/effect"
)

// Do waits for the lock, as Config.AcquireRetryPolicy says, runs work, and releases the
// lock. It is [WithLock] for a plain function: it makes the same promises and fails with
// the same errors.
//
// The context of work ends when ctx does, or when the lock is lost. work should return soon
// after that: Do waits until it has returned and the lock has been released.
func (m *Mutex) Do(ctx context.Context, work func(context.Context) error) error {
	_, err := WithLock(m, effect.Action(work))(ctx)
	return err
}

// TryDo is like [Mutex.Do] if the lock is free. Otherwise it returns false and a nil error
// as soon as the store has answered, never a *[LockNotAcquiredError]. ran reports whether
// work was called, even if err is not nil.
func (m *Mutex) TryDo(ctx context.Context, work func(context.Context) error) (ran bool, err error) {
	done, err := WithLockIfAvailable(m, effect.Action(work))(ctx)
	return option.IsSome(done), err
}

// Must returns m, and panics if err is not nil. It is for a lock whose key and
// configuration are constants of the program:
//
//	var nightly = mutex.Must(mutex.New(store, "nightly-report", mutex.Config{}))
func Must(m *Mutex, err error) *Mutex {
	if err != nil {
		panic(err)
	}
	return m
}
