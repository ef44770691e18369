package mutex_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

// Before a program exits, it waits for what failed acquisitions may have left behind.
func ExampleAwaitCleanup() {
	store := memory.New()
	lock := mutex.Must(mutex.New(store, "report", mutex.Config{}))
	_ = lock.Do(context.Background(), func(context.Context) error { return nil })

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := mutex.AwaitCleanup(store)(ctx)
	fmt.Println(err)
	// Output: <nil>
}

func ExampleConfig() {
	config := mutex.Config{
		TTL: 10 * time.Second, // how long others wait after a crash
		// Give up after two seconds of waiting, with a *mutex.LockNotAcquiredError.
		AcquireRetryPolicy: schedule.Spaced(100 * time.Millisecond).UpTo(2 * time.Second),
	}
	lock, err := mutex.New(memory.New(), "report", config)
	fmt.Println(lock.Key(), err)
	// Output: report <nil>
}

func ExampleKeepAlive() {
	lock := example(mutex.Config{HolderID: "report-7"})
	_ = lock.Do(context.Background(), func(ctx context.Context) error {
		held, ok := mutex.FromContext(ctx)
		fmt.Println(ok, held.Key(), held.HolderID(), held.Token() > 0)
		return nil
	})
	// Output: true report report-7 true
}

func ExampleKind() {
	err := fmt.Errorf("billing: %w", &mutex.LockNotAcquiredError{Key: "invoices"})
	fmt.Println(mutex.KindOf(err), "/", mutex.KindOf(errors.New("disk full")))
	// Output: not acquired / other
}

func ExampleLockLostError() {
	store := memory.New()
	lock := mutex.Must(mutex.New(store, "report", mutex.Config{}))
	err := lock.Do(context.Background(), func(ctx context.Context) error {
		held, _ := mutex.FromContext(ctx)
		_, err := store.Release(ctx, held.Key(), held.HolderID()) // somebody else interferes
		return err
	})
	if lost, ok := errors.AsType[*mutex.LockLostError](err); ok {
		fmt.Println(lost.Key, lost.Reason == mutex.Gone)
	}
	// Output: report true
}

func ExampleMutexBackingError() {
	store := &backing.Funcs{
		Base: memory.New(),
		TryAcquireFunc: func(context.Context, backing.Claim) (option.Option[backing.Grant], error) {
			return option.None[backing.Grant](), errors.New("connection refused")
		},
	}
	lock := mutex.Must(mutex.New(store, "report", mutex.Config{BackingFailureRetryPolicy: schedule.Stop()}))
	err := lock.Do(context.Background(), func(context.Context) error { return nil })
	if failed, ok := errors.AsType[*mutex.MutexBackingError](err); ok {
		fmt.Println("did not run:", failed.Operation == mutex.OperationTryAcquire)
		fmt.Println(failed.Cause)
	}
	// Output:
	// did not run: true
	// connection refused
}

func ExampleReentrantError() {
	lock := example(mutex.Config{})
	nothing := func(context.Context) error { return nil }
	err := lock.Do(context.Background(), func(ctx context.Context) error {
		return lock.Do(ctx, nothing) // would wait for itself
	})
	if again, ok := errors.AsType[*mutex.ReentrantError](err); ok {
		fmt.Println("already held:", again.Key)
	}
	// Output: already held: report
}

func ExampleConfigError() {
	_, err := mutex.New(memory.New(), "", mutex.Config{})
	if wrong, ok := errors.AsType[*mutex.ConfigError](err); ok {
		fmt.Println(wrong.Field)
	}
	fmt.Println(err)
	// Output:
	// key
	// mutex: key is "", want a name that is not empty
}

func ExampleEvent() {
	observer := mutex.Observe(func(e mutex.Event) {
		switch e.Kind { //nolint:exhaustive // an example
		case mutex.Acquired:
			fmt.Println("acquired", e.Key)
		case mutex.Released, mutex.ReleaseFailed, mutex.Lost:
			fmt.Println("held", e.Key, "until it was", e.Kind)
		}
	})
	lock := example(mutex.Config{Observer: observer})
	_ = lock.Do(context.Background(), func(context.Context) error { return nil })
	// Output:
	// acquired report
	// held report until it was released
}

func ExampleLossReason() {
	advice := func(lost *mutex.LockLostError) string {
		switch lost.Reason {
		case mutex.Expired:
			return "raise the TTL, or look for pauses of the process and the store"
		case mutex.Taken:
			return "look for a second holder in the log"
		case mutex.Gone:
			return "look for programs that delete the key, and for evictions"
		}
		return "unknown"
	}
	fmt.Println(advice(&mutex.LockLostError{Key: "report", Reason: mutex.Gone}))
	// Output: look for programs that delete the key, and for evictions
}
